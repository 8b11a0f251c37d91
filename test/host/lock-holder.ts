// Takes the lock on a file, says so, and holds it until its stdin ends.
import { lockFile } from '../../src/host/lock.ts';

const [path = ''] = process.argv.slice(2);
const lock = await lockFile(path);
process.stdout.write('locked\n');
process.stdin.resume().on('end', () => {
  void lock?.release().then(() => process.exit(0));
});
