/** A table of Markdown, the first row its head, with columns as wide as prettier has them. */
export function markdownTable(rows: readonly (readonly string[])[]): string {
  const cells = rows.map((row) => row.map((word) => word.replaceAll('|', String.raw`\|`)));
  const columns = cells[0]?.length ?? 0;
  const widths = Array.from({ length: columns }, (_none, column) =>
    Math.max(3, ...cells.map((row) => row[column]?.length ?? 0)),
  );
  const line = (words: readonly string[]): string =>
    `| ${words.map((word, column) => word.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  const [head = [], ...body] = cells;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...body.map(line)].join('\n');
}

/** Code within a line; nothing where there is none. */
export function code(text: string): string {
  return text === '' ? '' : `\`${text}\``;
}

/** A sentence of a help text, which begins small and has no full stop there. */
export function sentence(help: string): string {
  return `${help.charAt(0).toUpperCase()}${help.slice(1)}`;
}

/** Says that a text is made, and from what. */
export const MADE = '<!-- Made by `npm run generate` from the tables in src/; edits here are lost. -->';
