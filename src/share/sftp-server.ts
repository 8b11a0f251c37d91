import { findProgram, hasProgram } from '../host/program.ts';

/** Paths of OpenSSH's SFTP server, which is not on PATH: Debian, Fedora, Arch, Alpine, SUSE. */
const PLACES = [
  '/usr/lib/openssh',
  '/usr/libexec/openssh',
  '/usr/lib/ssh',
  '/usr/libexec',
  '/usr/libexec/ssh',
  '/usr/lib/misc',
];

/** Finds the host's SFTP server by the name that the user gives. */
export async function findSftpServer(name: string): Promise<string> {
  const candidates = name.includes('/') ? [] : PLACES.map((directory) => `${directory}/${name}`);
  for (const candidate of candidates) if (await hasProgram(candidate)) return candidate;
  return findProgram(
    name,
    'shared folders need it: install the package openssh-sftp-server (Debian), openssh-server (Fedora) or openssh (Arch)',
  );
}
