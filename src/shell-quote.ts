/** Quotes a word for a POSIX shell. */
export function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/** Quotes an argument only if a shell needs it, so that users can read the command and repeat it by hand. */
export function quotedForPeople(argument: string): string {
  return /^[\w@%+=:,./-]+$/.test(argument) ? argument : quoted(argument);
}
