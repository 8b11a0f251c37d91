// Bundles src/main.ts and all that it imports into dist/: one entry, and a chunk for each part that is loaded late.
import { chmodSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

const { version } = JSON.parse(readFileSync('package.json', 'utf8'));

rmSync('dist', { recursive: true, force: true });
const { metafile } = await build({
  entryPoints: { transient: 'src/main.ts' },
  outdir: 'dist',
  bundle: true,
  metafile: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  minifySyntax: true,
  minifyWhitespace: true,
  // an error's stack shows a line of this code: it must not fill the screen
  lineLimit: 160,
  legalComments: 'linked',
  define: { TRANSIENT_VERSION: JSON.stringify(version) },
  // optional native parts of ssh2: it falls back to what Node itself offers
  external: ['cpu-features', './crypto/build/Release/sshcrypto.node'],
  chunkNames: 'chunks/[name]-[hash]',
  banner: {
    // what packages written as CommonJS expect to find
    js: [
      "import { createRequire as __createRequire } from 'node:module';",
      'const require = __createRequire(import.meta.url);',
      'const __filename = import.meta.filename, __dirname = import.meta.dirname;',
    ].join('\n'),
  },
});
chmodSync('dist/transient.js', 0o755);
writeFileSync('dist/THIRD-PARTY-LICENSES.txt', licenses(bundledPackages(metafile)));

/** The directories of the packages of which something is in the bundle. */
function bundledPackages({ inputs }) {
  const directories = Object.keys(inputs).flatMap(
    (path) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1] ?? [],
  );
  return [...new Set(directories)].sort();
}

/** Their names, versions and licences in full, as those want it of whoever passes them on. */
function licenses(directories) {
  const texts = directories.map((directory) => {
    const { name, version, license } = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'));
    const file = readdirSync(directory).find((entry) => /^licen[cs]e/i.test(entry));
    const text = file === undefined ? '' : readFileSync(join(directory, file), 'utf8').trim();
    return `${name} ${version} (${license})\n\n${text}`.trimEnd();
  });
  return `${texts.join(`\n\n${'-'.repeat(80)}\n\n`)}\n`;
}
