import { WELL_KNOWN_KEYS } from './vagrant-key.ts';

/** Comment of a key inserted by us, and prefix of a line that it replaces. */
const COMMENT = 'made-by-transient';
const REPLACED = '#replaced-by-transient: ';

/** Files with a user's authorized keys (sshd_config(5), AuthorizedKeysFile; dropbear(8)), as shell words. */
const FILES_OF_USER = [
  '"$HOME/.ssh/authorized_keys"',
  '"$HOME/.ssh/authorized_keys2"',
  '/etc/dropbear/authorized_keys',
  '"/etc/ssh/authorized_keys.d/$(id -un)"',
].join(' ');

/** The same files for all users of a disk. */
const FILES_OF_ALL = [
  '$(sed "s|.*:\\([^:]*\\):[^:]*|\\1/.ssh/authorized_keys \\1/.ssh/authorized_keys2|" /etc/passwd)',
  '/etc/dropbear/authorized_keys',
  '/etc/ssh/authorized_keys.d/*',
].join(' ');

/** Output of a script that changed a file. */
export const CHANGED = 'changed';

/**
 * Script that replaces each well-known key by a public key (`TYPE BASE64`, one line of authorized_keys(5)) and keeps
 * its line as a comment; options before the key apply to the new one.
 */
export function insertionScript(publicKey: string): string {
  const key = `${publicKey} ${COMMENT}`;
  const blocks = WELL_KNOWN_KEYS.map(([type, body]) =>
    [`\\|${body}|{`, 'h', `s|^|${REPLACED}|p`, 'g', `s|${type}[[:space:]]*${body}.*|${key}|`, 'b', '}'].join(
      '\n',
    ),
  );
  const patterns = WELL_KNOWN_KEYS.map(([, body]) => `-e ${body}`).join(' ');
  return eachFile(
    FILES_OF_USER,
    `grep -v '^[[:space:]]*#' "$file" | grep -qF ${patterns}`,
    ['/^[[:space:]]*#/b', ...blocks].join('\n'),
  );
}

/** Script that restores the original keys of a guest: for the user who runs it, or for all users of a disk. */
export function restorationScript(whose: 'user' | 'all'): string {
  return eachFile(
    whose === 'user' ? FILES_OF_USER : FILES_OF_ALL,
    `grep -q '^${REPLACED}' "$file"`,
    [`/^[^#].* ${COMMENT}$/d`, `s|^${REPLACED}||`].join('\n'),
  );
}

/** Edits each matching file atomically. */
function eachFile(files: string, isFound: string, edit: string): string {
  return `for file in ${files}; do
  [ -f "$file" ] || continue
  ${isFound} || continue
  [ ! -L "$file" ] || file=$(readlink -f "$file") || exit 1
  # the copy has its owner and mode
  cp -p "$file" "$file.new" && sed '${edit}' "$file" >"$file.new" && mv -f "$file.new" "$file" || exit 1
  echo ${CHANGED}
done
:`;
}
