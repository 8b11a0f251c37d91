// Records `transient plan` and `transient up` of examples/quickstart on a real VM, in a terminal, and draws what was on the
// screen, when, as docs/recording.svg:  npm run recording
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { framesOf } from './frames.ts';
import { record } from './record.ts';
import { animation } from './svg.ts';

const SIZE = { columns: 110, rows: 23 };

// its path is on the screen
const directory = join(tmpdir(), 'hello');
mkdirSync(directory);
try {
  const image = execFileSync('scripts/guest-image', ['tiny'], { encoding: 'utf8' }).trim();
  cpSync('examples/quickstart/Transientfile.toml', join(directory, 'Transientfile.toml'));
  cpSync(image, join(directory, 'tiny.qcow2'));
  const bin = join(directory, 'bin');
  mkdirSync(bin);
  const program = `#!/bin/sh\nexec ${process.execPath} ${resolve('dist/transient.js')} "$@"\n`;
  writeFileSync(join(bin, 'transient'), program, { mode: 0o755 });
  const chunks = record(['transient plan', 'transient up --accel tcg'], directory, bin, SIZE);
  writeFileSync('docs/recording.svg', animation(await framesOf(chunks, SIZE), SIZE));
  console.error('wrote docs/recording.svg');
} finally {
  rmSync(directory, { recursive: true, force: true });
}
