// Runs the built program in a place of its own, so that what V8 compiles for common commands is kept beside it.
'use strict';
const { mkdtempSync, mkdirSync, rmSync, writeFileSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join, resolve } = require('node:path');

const { exit } = process;
const launcher = resolve('dist/transient.js');
const { run, keepCode } = require(launcher);
const place = mkdtempSync(join(tmpdir(), 'transient-code-'));

async function ended(words) {
  process.argv = [process.execPath, launcher, ...words];
  await new Promise((end) => {
    process.exit = end;
    run();
  });
}

async function main() {
  process.chdir(place);
  mkdirSync('run', { mode: 0o700 });
  Object.assign(process.env, { HOME: place, XDG_DATA_HOME: place, XDG_RUNTIME_DIR: join(place, 'run') });
  writeFileSync('Transientfile.toml', '[vms.a]\nimage = "base"\nssh-command = "true"\n');
  for (const words of ['ps', 'plan', 'up']) await ended(words.split(' '));
  keepCode();
}

main().finally(() => {
  rmSync(place, { recursive: true });
  exit();
});
