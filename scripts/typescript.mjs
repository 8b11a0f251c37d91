// Runs a script of this repository that is written in TypeScript: node scripts/typescript.mjs FILE [ARGUMENT…]
// It is bundled first, since the oldest Node.js that we support runs no TypeScript.
import { mkdtempSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const [script = ''] = process.argv.splice(2, 1);

// beside node_modules, where Node finds the packages that are left outside
const directory = mkdtempSync(join('node_modules', '.typescript-'));
try {
  const outfile = join(directory, `${basename(script, '.ts')}.mjs`);
  await build({
    entryPoints: [script],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    packages: 'external',
  });
  await import(pathToFileURL(outfile).href);
} finally {
  rmSync(directory, { recursive: true, force: true });
}
