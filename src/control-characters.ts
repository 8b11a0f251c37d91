/** Control characters (C0, DEL, C1) except tab, which a terminal would interpret. */
// eslint-disable-next-line no-control-regex -- these are what is shown
const CONTROL = /[\x00-\x08\x0a-\x1f\x7f-\x9f]/g;

/**
 * Escapes control characters (`\x1b`, `\n`) in a line from a file, a guest or a server, so that it cannot manipulate the
 * terminal.
 */
export function visible(line: string): string {
  return line.replace(CONTROL, (character) => {
    const short = { '\n': '\\n', '\r': '\\r' }[character];
    return short ?? `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
}
