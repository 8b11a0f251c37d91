/** User information in a server or proxy URL: a name with a password, or just a token. */
const USER_INFO = /\b((?:https?|socks\w*):\/\/)([^/?#\s"'@:]*)(:[^/?#\s"]*)?@(?=[^/?#\s"'@])/gi;

/**
 * Masks passwords in URLs, for text that is printed or stored. A name without a password may be a token, which is as
 * secret.
 */
export function withoutPasswords(text: string): string {
  return text.replaceAll(USER_INFO, (_all, scheme: string, name: string, password?: string) =>
    password === undefined ? `${scheme}***@` : `${scheme}${name}:***@`,
  );
}

/** Masks passwords in URLs without changing the length of the line, for lines with an underlined position. */
export function withPasswordsStarred(line: string): string {
  return line.replaceAll(USER_INFO, (_all, scheme: string, name: string, password?: string) =>
    password === undefined
      ? `${scheme}${'*'.repeat(name.length)}@`
      : `${scheme}${name}:${'*'.repeat(password.length - 1)}@`,
  );
}
