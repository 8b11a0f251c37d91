import { findProgram, hasProgram } from '../host/program.ts';

/** Where distributions put OpenSSH's SFTP server, which is not meant to be typed: Debian, Fedora, Arch, Alpine, SUSE. */
const PLACES = [
  '/usr/lib/openssh',
  '/usr/libexec/openssh',
  '/usr/lib/ssh',
  '/usr/libexec',
  '/usr/libexec/ssh',
  '/usr/lib/misc',
];

/** The path of the host's SFTP server by the name that the user gives it. */
export async function findSftpServer(name: string): Promise<string> {
  const candidates = name.includes('/') ? [] : PLACES.map((directory) => `${directory}/${name}`);
  for (const candidate of candidates) if (await hasProgram(candidate)) return candidate;
  return findProgram(
    name,
    'shared folders need it: it is in the package openssh-sftp-server (Debian), openssh-server (Fedora) or openssh (Arch)',
  );
}
