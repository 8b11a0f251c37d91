/**
 * Preloaded into transient: writes down in the file `CHANGES_LOG` what it is about to change in the filesystem, and
 * kills it before the change with the number `KILL_AT`, counted from 0.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

const CHANGES = ['mkdir', 'mkdtemp', 'open', 'writeFile', 'copyFile', 'chmod', 'rename', 'rm', 'unlink'];

const { CHANGES_LOG = '', KILL_AT } = process.env;
let count = 0;

function about(change, args) {
  if (change === 'open' && args[1] === 'r') return;
  const paths = args.slice(0, change === 'rename' ? 2 : 1);
  fs.appendFileSync(CHANGES_LOG, `${[change, ...paths].join(' ')}\n`);
  if (count++ === Number(KILL_AT)) process.kill(process.pid, 'SIGKILL');
}

// what transient starts may run on Node too
if (process.argv[1]?.endsWith('transient.js')) {
  for (const change of CHANGES) {
    const original = fs.promises[change];
    fs.promises[change] = (...args) => {
      about(change, args);
      return original(...args);
    };
  }
  syncBuiltinESMExports();
}
