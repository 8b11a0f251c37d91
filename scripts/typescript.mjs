// Runs a script of this repository that is written in TypeScript: node scripts/typescript.mjs FILE [ARGUMENT…]
// It is bundled first, since the oldest Node.js that we support runs no TypeScript.
import { mkdtempSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'rolldown';

const [script = ''] = process.argv.splice(2, 1);

// beside node_modules, where Node finds the packages that are left outside
const directory = mkdtempSync(join('node_modules', '.typescript-'));
try {
  const outfile = join(directory, `${basename(script, '.ts')}.mjs`);
  await build({
    input: script,
    platform: 'node',
    // packages, but for the helpers of the compiler, which it brings itself
    external: /^(?!@oxc-project\/runtime)[@a-z]/,
    transform: { target: 'node20.19' },
    moduleTypes: { '.toml': 'text', '.asc': 'text' },
    output: { file: outfile, format: 'esm', codeSplitting: false },
    logLevel: 'warn',
  });
  await import(pathToFileURL(outfile).href);
} finally {
  rmSync(directory, { recursive: true, force: true });
}
