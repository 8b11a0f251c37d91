/** User information of an address of a server or proxy: a name with a password, or a token alone. */
const USER_INFO = /\b((?:https?|socks\w*):\/\/)([^/?#\s"'@:]*)(:[^/?#\s"]*)?@(?=[^/?#\s"'@])/gi;

/**
 * A text in which no address of a web server shows its password, for whatever is printed or stored. A name without one
 * can be a token, which is as good as a password.
 */
export function withoutPasswords(text: string): string {
  return text.replaceAll(USER_INFO, (_all, scheme: string, name: string, password?: string) =>
    password === undefined ? `${scheme}***@` : `${scheme}${name}:***@`,
  );
}

/** The same with as many characters as before, for a line in which a place is underlined. */
export function withPasswordsStarred(line: string): string {
  return line.replaceAll(USER_INFO, (_all, scheme: string, name: string, password?: string) =>
    password === undefined
      ? `${scheme}${'*'.repeat(name.length)}@`
      : `${scheme}${name}:${'*'.repeat(password.length - 1)}@`,
  );
}
