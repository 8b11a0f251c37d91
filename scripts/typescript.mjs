// Writes the files that are made from the tables in src/.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';

// beside node_modules, where Node finds the packages that are left outside
const directory = mkdtempSync(join('node_modules', '.generate-'));
try {
  const outfile = join(directory, 'generated-files.mjs');
  const entryPoints = ['scripts/generated-files.ts'];
  await build({ entryPoints, outfile, bundle: true, format: 'esm', platform: 'node', packages: 'external' });
  const { generatedFiles } = await import(pathToFileURL(outfile).href);
  for (const [path, text] of generatedFiles()) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    console.error(`wrote ${path}`);
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
}
