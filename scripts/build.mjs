// Bundles src/main.ts and all that it imports into dist/: one entry, one chunk of what every command needs, and a chunk for
// each part that is loaded late.
import { chmodSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { rolldown } from 'rolldown';

const { version } = JSON.parse(readFileSync('package.json', 'utf8'));

/** What any command loads but `--version`: one file of it is read in half the time of the thirty that it would be. */
const CORE = [
  /\/src\/(problem|(options|config|plan|host)\/.*)\.ts$/,
  /\/src\/entry\/(obey|fulfil|answers|saying|signals)\.ts$/,
  /\/src\/cli\/(program|command|report|plan-view|commands\/.*)\.ts$/,
  /\/src\/run\/pro[^/]*\.ts$/,
  /\/src\/report\/report-file\.ts$/,
  /\/src\/(vmstore|image)\/(list|store|qemu-img)\.ts$/,
  /\/node_modules\/(zod|commander|smol-toml|damerau-levenshtein|which|isexe)\//,
];

const bundle = await rolldown({
  input: { transient: 'src/main.ts' },
  platform: 'node',
  // optional native parts of ssh2: it falls back to what Node itself offers
  external: ['cpu-features', /sshcrypto\.node$/],
  transform: { target: 'node20.19', define: { TRANSIENT_VERSION: JSON.stringify(version) } },
  // a module of the core is often imported late as well, to say that nothing else needs it
  checks: { ineffectiveDynamicImport: false },
});
const { output } = await bundle.write({
  dir: 'dist',
  cleanDir: true,
  // is loaded in two thirds of the time that Node takes for ES modules
  format: 'cjs',
  // names and lines stay, for stacks that people send us
  minify: { compress: true, mangle: false, codegen: { removeWhitespace: false } },
  comments: { legal: false },
  chunkFileNames: 'chunks/[name]-[hash].js',
  codeSplitting: { groups: [{ name: 'core', test: (id) => CORE.some((pattern) => pattern.test(id)) }] },
});
await bundle.close();
writeFileSync('dist/package.json', JSON.stringify({ type: 'commonjs' }));
chmodSync('dist/transient.js', 0o755);
const modules = output.flatMap((part) => (part.type === 'chunk' ? part.moduleIds : []));
writeFileSync('dist/THIRD-PARTY-LICENSES.txt', licenses(packagesOf(modules)));

/** The directories of the packages of which something is in the bundle. */
function packagesOf(ids) {
  const directories = ids.flatMap((id) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(id)?.[1] ?? []);
  return [...new Set(directories)].sort();
}

/** Their names, versions and licences, in full where they bring the text, as those want it of whoever passes them on. */
function licenses(directories) {
  const texts = directories.map((directory) => {
    const facts = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'));
    const { name, version, license = facts.licenses?.[0]?.type } = facts;
    if (license === undefined) throw new Error(`${name} says no licence`);
    const file = readdirSync(directory).find((entry) => /^licen[cs]e/i.test(entry));
    const text = file === undefined ? '' : readFileSync(join(directory, file), 'utf8').trim();
    return `${name} ${version} (${license})\n\n${text}`.trimEnd();
  });
  return `${texts.join(`\n\n${'-'.repeat(80)}\n\n`)}\n`;
}
