import { WELL_KNOWN_KEYS } from './vagrant-key.ts';

/** Comment of a key that we put into a guest, and what a line begins with that it stands for. */
const COMMENT = 'made-by-transient';
const REPLACED = '#replaced-by-transient: ';

/** Where ssh servers look for the keys of a user (sshd_config(5), AuthorizedKeysFile; dropbear(8)), as words of a shell. */
const FILES_OF_USER = [
  '"$HOME/.ssh/authorized_keys"',
  '"$HOME/.ssh/authorized_keys2"',
  '/etc/dropbear/authorized_keys',
  '"/etc/ssh/authorized_keys.d/$(id -un)"',
].join(' ');

/** The same for all users of a disk. */
const FILES_OF_ALL = [
  '$(sed "s|.*:\\([^:]*\\):[^:]*|\\1/.ssh/authorized_keys \\1/.ssh/authorized_keys2|" /etc/passwd)',
  '/etc/dropbear/authorized_keys',
  '/etc/ssh/authorized_keys.d/*',
].join(' ');

/** What a script says that found such a line. */
export const CHANGED = 'changed';

/**
 * Puts a public key (`TYPE BASE64`, one line of authorized_keys(5)) in the place of each well-known one, whose line stays as
 * a comment; options before the key hold for the new one.
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

/** Gives the image of a guest its own keys back: those of the user who runs it, or those of all users of a disk. */
export function restorationScript(whose: 'user' | 'all'): string {
  return eachFile(
    whose === 'user' ? FILES_OF_USER : FILES_OF_ALL,
    `grep -q '^${REPLACED}' "$file"`,
    [`/^[^#].* ${COMMENT}$/d`, `s|^${REPLACED}||`].join('\n'),
  );
}

/** Edits each of the files that is found to need it, so that each is whole at any time. */
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
