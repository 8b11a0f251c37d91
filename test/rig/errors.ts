/** The errors that were told on stderr, each with its details. */
export function errorsIn(stderr: string): string[] {
  const starts = [...stderr.matchAll(/^(?:\S+ )?error: /gm)].map(({ index }) => index);
  return starts.map((start, at) => stderr.slice(start, starts[at + 1]).trimEnd());
}
