/** Control characters (C0, DEL, C1) but for a tab: what a terminal would act upon instead of showing it. */
// eslint-disable-next-line no-control-regex -- these are what is shown
const CONTROL = /[\x00-\x08\x0a-\x1f\x7f-\x9f]/g;

/**
 * A line of text from a file, a guest or a server as a terminal may show it: control characters become escapes that can be
 * read (`\x1b`, `\n`), so that nothing is erased, moved or coloured by them.
 */
export function visible(line: string): string {
  return line.replace(CONTROL, (character) => {
    const short = { '\n': '\\n', '\r': '\\r' }[character];
    return short ?? `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
}
