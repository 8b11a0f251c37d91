import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'rolldown';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  interface ProvidedContext {
    /** The bundled program. */
    binary: string;
    /** Directory of the programs that pass for others. */
    fakes: string;
  }
}

/** Builds what the rigs run, once for a whole run of tests. */
export default async function setup({ provide }: TestProject): Promise<() => void> {
  const built = mkdtempSync(join(tmpdir(), 'transient-built-'));
  provide('binary', buildProgram(join(built, 'dist')));
  provide('fakes', await buildFakes(join(built, 'fakes')));
  return () => rmSync(built, { recursive: true, force: true });
}

/** The tests run a copy of dist/: somebody who builds meanwhile must not take it away under them. */
function buildProgram(directory: string): string {
  execFileSync(process.execPath, ['scripts/build.mjs'], { stdio: ['ignore', 'inherit', 'inherit'] });
  cpSync('dist', directory, { recursive: true });
  return join(directory, 'transient.js');
}

async function buildFakes(directory: string): Promise<string> {
  mkdirSync(directory);
  const outfile = join(directory, 'qemu-system-x86_64');
  await build({
    input: 'test/fakes/qemu/main.ts',
    platform: 'node',
    external: ['cpu-features', /sshcrypto\.node$/],
    transform: { target: 'node20.19' },
    output: { file: outfile, format: 'cjs', codeSplitting: false, banner: `#!${process.execPath}` },
    logLevel: 'warn',
  });
  chmodSync(outfile, 0o755);
  return directory;
}
