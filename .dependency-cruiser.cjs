// Floors, doors and circles of src/; docs/architecture.md says why.

/** A room may look into itself and the rooms named; anything else is refused. */
const room = (name, allowed) => ({
  name: `floor-${name}`,
  severity: 'error',
  comment: `${name} may import only ${allowed.join(', ') || 'itself'}`,
  from: { path: `^src/${name}/` },
  to: {
    path: '^src/',
    pathNot: [
      `^src/${name}/`,
      '^src/(problem|control-characters|lazily|shell-quote)\\.ts$',
      ...allowed.map((one) => `^src/${one}/`),
    ],
  },
});

/** The same for a room whose files reach others by import type or await import(), so that they are loaded when needed. */
const lazyRoom = (name, allowed) => {
  const rule = room(name, allowed);
  return { ...rule, to: { ...rule.to, dependencyTypesNot: ['type-only', 'dynamic-import'] } };
};

/** A package is used through one file or folder. */
const door = (name, path) => ({
  name: `door-${name}`,
  severity: 'error',
  comment: `${name} is used only in ${path}`,
  from: { pathNot: `^src/${path}` },
  to: { path: `^node_modules/${name}/` },
});

const EFFECTS = ['options', 'config', 'plan', 'host'];

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    { name: 'no-circles', severity: 'error', from: {}, to: { circular: true } },
    { name: 'nothing-unused', severity: 'error', from: { orphan: true, pathNot: '^src/main\\.ts$' }, to: {} },
    {
      name: 'problem-is-the-ground',
      severity: 'error',
      from: { path: '^src/problem\\.ts$' },
      to: { path: '.' },
    },
    room('options', []),
    room('config', ['options']),
    room('plan', ['config', 'options']),
    room('host', []),
    room('catalog', ['options', 'config', 'host']),
    room('image', [...EFFECTS, 'catalog']),
    room('vmstore', [...EFFECTS, 'image']),
    room('qemu', EFFECTS),
    room('transfer', EFFECTS),
    room('share', [...EFFECTS, 'transfer']),
    room('guest', [...EFFECTS, 'transfer']),
    room('network', [...EFFECTS, 'transfer']),
    room('seed', EFFECTS),
    room('builder', [...EFFECTS, 'transfer', 'qemu']),
    room('doctor', ['host', 'share', 'builder', 'qemu']),
    room('run', ['plan', 'config', 'options', 'host']),
    room('report', ['run', 'plan', 'config', 'options']),
    room('daemon', ['run', 'plan', 'config', 'options', 'host']),
    lazyRoom('cli', ['daemon', 'run', 'report', 'plan', 'config', 'options', 'host']),
    door('smol-toml', 'config/document\\.ts$'),
    door('toml-eslint-parser', 'config/locate\\.ts$'),
    door('chokidar', 'daemon/watch\\.ts$'),
    door('commander', '(options/flags|cli/program)\\.ts$'),
    door('listr2', 'run/listr-view\\.ts$'),
    door('execa', 'host/spawn\\.ts$'),
    door('which', 'host/program\\.ts$'),
    door('ssh2', 'guest/ssh\\.ts$'),
    door('damerau-levenshtein', 'options/issues\\.ts$'),
    door('undici', 'image/sources/(dispatchers|requests)\\.ts$'),
    door('xz-decompress', 'image/unpack/compression\\.ts$'),
    door('fast-xml-builder', 'report/junit\\.ts$'),
    door('tar-stream', 'image/unpack/box\\.ts$'),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
    },
  },
};
