// Runs the built program in a place of its own, so that what V8 compiles for common commands is kept beside it.
'use strict';
const { once } = require('node:events');
const { mkdtempSync, mkdirSync, rmSync, writeFileSync } = require('node:fs');
const { createServer } = require('node:http');
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
  const server = createServer((_request, response) => response.end('no image')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const pull = `image pull image,http=http://127.0.0.1:${server.address().port}/`;
  for (const words of ['ps', 'plan', 'up', pull]) await ended(words.split(' '));
  keepCode();
}

main().finally(() => {
  rmSync(place, { recursive: true });
  exit();
});
