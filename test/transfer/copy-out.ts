// Copies out of this host, which passes for a guest: GUEST HOST RUN-DIRECTORY tar|rsync. A program, for whoever is another user.
import { copyOut } from '../../src/transfer/copy.ts';
import { HOST_AS_GUEST } from './host-as-guest.ts';

const [guest = '', host = '', runDirectory = '', way] = process.argv.slice(2);
await copyOut({ guest, host, rsync: way === 'rsync' }, HOST_AS_GUEST, {
  signal: new AbortController().signal,
  progress: () => undefined,
  note: (line) => console.log(line),
  runDirectory,
}).catch((error: unknown) => {
  console.error((error as Error).message);
  process.exitCode = 1;
});
