// Bundles src/main.ts and all that it imports into dist/: one entry, one chunk of what every command needs, and a chunk for
// each part that is loaded late.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { rolldown } from 'rolldown';
import { launchable } from './build/late-requires.mjs';

const { version } = JSON.parse(readFileSync('package.json', 'utf8'));

/** Modules loaded by every command but `--version`: one file is read in half the time of thirty. */
const CORE = [
  /\/src\/(problem|control-characters|lazily|(options|host(?!\/standard-streams))\/.*)\.ts$/,
  /\/src\/cli\/(main|output|program|command|table|vm-table|vm-names|typed-layers|plan-output|preflight|image-operand|image-names|build-pins|(project|run|session)-[^/]*|project|watch|commands\/.*)\.ts$/,
  /\/src\/run\/(pro[^/]*|signals)\.ts$/,
  /\/src\/(vmstore|image)\/(list|store|qemu-img)\.ts$/,
  /\/node_modules\/commander\//,
  /\/src\/(report\/report-file|config\/merge|daemon\/(start|registry|protocol))\.ts$/,
  /rolldown.runtime/,
];

/** Modules that read a Transientfile and plan. */
const PROJECT = [
  /\/src\/(config|plan)\/.*\.ts$/,
  /\/src\/(cli\/(plan-view|project-place)|vmstore\/load)\.ts$/,
  /\/node_modules\/smol-toml\//,
];

const GROUPS = [
  { name: 'json-schema', test: /\/node_modules\/zod\/v4\/core\/(to-json-schema|json-schema.*)\.js$/ },
  { name: 'zod', test: /\/(node_modules\/zod\/|src\/options\/zod-settings\.ts$)/ },
  { name: 'issues', test: /\/(node_modules\/damerau-levenshtein\/|src\/options\/issues\.ts$)/ },
  { name: 'programs', test: /\/(node_modules\/(which|isexe)\/|src\/host\/program\.ts$)/ },
  { name: 'catalog', test: /\/src\/catalog\// },
  { name: 'core', test: (id) => CORE.some((pattern) => pattern.test(id)) },
  { name: 'project', test: (id) => PROJECT.some((pattern) => pattern.test(id)) },
];

const bundle = await rolldown({
  input: { main: 'src/main.ts' },
  platform: 'node',
  preserveEntrySignatures: 'allow-extension',
  // optional native parts of ssh2: it falls back to what Node itself offers
  external: ['cpu-features', /sshcrypto\.node$/],
  transform: { target: 'node20.19', define: { TRANSIENT_VERSION: JSON.stringify(version) } },
  moduleTypes: { '.toml': 'text', '.asc': 'text' },
  // a module of the core is often imported late as well, to say that nothing else needs it
  checks: { ineffectiveDynamicImport: false },
});
const { output } = await bundle.generate({
  // is loaded in two thirds of the time that Node takes for ES modules
  format: 'cjs',
  // names and lines stay, for stacks that people send us
  minify: { compress: true, mangle: false, codegen: { removeWhitespace: false } },
  comments: false,
  entryFileNames: '[name]-[hash].js',
  chunkFileNames: '[name]-[hash].js',
  codeSplitting: { groups: GROUPS, includeDependenciesRecursively: false },
});
await bundle.close();
const parts = output.filter(({ type }) => type === 'chunk');
rmSync('dist', { recursive: true, force: true });
mkdirSync('dist/chunks', { recursive: true });
for (const { fileName, code } of parts) writeFileSync(join('dist/chunks', fileName), launchable(code));
const main = parts.find(({ isEntry }) => isEntry);
const launcher = readFileSync('scripts/build/launcher.cjs', 'utf8');
writeFileSync('dist/transient.js', launcher.replace('__MAIN__', main.fileName), { mode: 0o755 });
writeFileSync('dist/package.json', JSON.stringify({ type: 'commonjs' }));
const modules = parts.flatMap(({ moduleIds }) => moduleIds);
writeFileSync('dist/THIRD-PARTY-LICENSES.txt', licenses(packagesOf(modules)));
execFileSync(process.execPath, ['scripts/build/code-cache.cjs'], { stdio: ['ignore', 'ignore', 'ignore'] });

/** The directories of the packages of which something is in the bundle. */
function packagesOf(ids) {
  const directories = ids.flatMap((id) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(id)?.[1] ?? []);
  return [...new Set(directories)].sort();
}

/** Their names, versions and licences, with the full text if included, as licences require for redistribution. */
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
