#!/usr/bin/env node
// Runs the chunks beside it. What V8 has compiled of them lies in code-cache/, from the build or from the first run by
// another Node; where it does not fit, or cannot be written, everything works as well and takes a little longer.
'use strict';
const { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const { Script } = require('node:vm');

const CHUNKS = join(__dirname, 'chunks');

/** Code of one Node is none for another, be that of the same version. */
const NODE = `${process.version}-${process.arch}-${statSync(process.execPath).size}`;

const CACHE = join(__dirname, 'code-cache', NODE);
const modules = new Map();
const compiled = [];

/** A chunk's exports; it is run when they are first asked for. */
function chunk(name) {
  const known = modules.get(name);
  if (known !== undefined) return known.exports;
  const module = { exports: {} };
  modules.set(name, module);
  const run = compile(name).runInThisContext();
  run(module, module.exports, requireFrom, later, join(CHUNKS, name), CHUNKS);
  return module.exports;
}

function compile(name) {
  const filename = join(CHUNKS, name);
  const cachedData = cachedCode(name);
  const script = new Script(readFileSync(filename, 'latin1'), { filename, cachedData });
  compiled.push({ name, script, isCached: script.cachedDataRejected === false });
  return script;
}

function cachedCode(name) {
  try {
    return readFileSync(join(CACHE, name));
  } catch {
    return undefined;
  }
}

function requireFrom(id) {
  return id.startsWith('./') ? chunk(id.slice(id.lastIndexOf('/') + 1)) : require(id);
}

/** Modules required on first use. */
function later(id) {
  let required;
  return () => (required ??= requireFrom(id));
}

/** Keeps what V8 has compiled so far, unless that was done before; only what belongs to us is written to. */
function keepCode() {
  const fresh = compiled.filter(({ isCached }) => !isCached);
  try {
    if (fresh.length === 0 || statSync(__dirname).uid !== process.getuid()) return;
    mkdirSync(CACHE, { recursive: true });
    for (const { name, script } of fresh) {
      const unfinished = join(CACHE, `${name}.${process.pid}`);
      writeFileSync(unfinished, script.createCachedData());
      renameSync(unfinished, join(CACHE, name));
    }
  } catch {
    // another time, or never
  }
}

/** Runs the program from its beginning. */
function run() {
  modules.delete(MAIN);
  chunk(MAIN);
}

const MAIN = '__MAIN__';
if (require.main === module) {
  process.on('exit', keepCode);
  run();
}
module.exports = { run, keepCode };
