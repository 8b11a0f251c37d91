import { describe, expect, test } from 'vitest';
import { parseDocument } from '../../src/config/document.ts';
import { checkTransientfile } from '../../src/config/transientfile.ts';
import type { Transientfile } from '../../src/config/transientfile.ts';
import type { Problem } from '../../src/problem.ts';

describe('[defaults] takes what a VM table takes', () => {
  test('an image, unless a VM has its own', () => {
    const { vms } = fileOf(`
      [defaults]
      image = "base"
      [vms.a]
      [vms.b]
      image = "other"
    `);
    expect(vms.map(({ image }) => image.name)).toEqual(['base', 'other']);
  });

  test('networks, of which one that a VM says more of is as the VM says', () => {
    const { vms } = fileOf(`
      [defaults]
      image = "base"
      networks = ["lan", "wan"]
      [networks.lan]
      [networks.wan]
      [networks.dmz]
      [vms.a]
      [vms.b]
      networks = ["dmz", { name = "lan", address = "10.77.0.9" }]
    `);
    const cards = vms.map(({ networks }) => networks.map(({ name, address }) => `${name} ${address}`));
    expect(cards).toEqual([
      ['lan 10.77.0.2', 'wan 10.77.1.2'],
      ['wan 10.77.1.3', 'dmz 10.77.2.2', 'lan 10.77.0.9'],
    ]);
  });

  test('what they wait for, but no VM waits for itself', () => {
    const { vms } = fileOf(`
      [defaults]
      image = "base"
      depends-on = ["db"]
      [vms.db]
      [vms.a]
      [vms.b]
      depends-on = ["a", { vm = "db", until = "started" }]
    `);
    expect(vms.map(({ dependsOn }) => dependsOn.map(({ vm, until }) => `${vm} ${until}`))).toEqual([
      [],
      ['db ready'],
      ['a ready', 'db started'],
    ]);
  });

  test('whether they are kept', () => {
    const { vms } = fileOf(`
      [defaults]
      image = "base"
      persistent = true
      name = "shared"
      [vms.a]
      [vms.b]
      persistent = false
      name = "own"
    `);
    expect(vms.map(({ persistent, storeName }) => [persistent, storeName])).toEqual([
      [true, 'shared'],
      [false, 'own'],
    ]);
  });

  test('what is wrong there is reported once, however many VMs there are', () => {
    const problems = problemsOf(`
      [defaults]
      image = "bsae"
      networks = ["lna"]
      depends-on = ["dd"]
      [images.base]
      source = "file=./base.qcow2"
      [networks.lan]
      [vms.a]
      [vms.b]
      [vms.c]
    `);
    expect(problems.map(({ message, where }) => [message, where?.kind === 'file' && where.path])).toEqual([
      ['there is no image "bsae" in [images]', ['defaults', 'image']],
      ['there is no VM "dd"', ['defaults', 'depends-on', 0]],
      ['there is no network "lna"', ['defaults', 'networks', 0]],
    ]);
  });

  test('a VM without an image is one where no one has given one', () => {
    expect(problemsOf('[vms.a]\n[vms."b.c"]').map(({ message }) => message)).toEqual([
      '[vms.a] needs a key "image"',
      '[vms."b.c"] needs a key "image"',
    ]);
  });
});

test.for(['key', 'header', 'inline table', 'list'])(
  '20,000 levels of a %s are a problem with a place',
  (form) => {
    const levels = 20_000;
    const dotted = Array.from({ length: levels }, () => 'a').join('.');
    const texts: Record<string, string> = {
      key: `${dotted} = 1`,
      header: `[${dotted}]`,
      'inline table': `x = ${'{a='.repeat(levels)}1${'}'.repeat(levels)}`,
      list: `x = ${'['.repeat(levels)}1${']'.repeat(levels)}`,
    };
    const text = `[vms.a]\nimage = "base"\n${texts[form]}\n`;
    const document = parseDocument(text, 'file');
    const [problem] = document.ok ? document.value.faults : document.problems;
    expect(problem?.message).toBe('tables or lists are nested too deep');
    expect(problem?.where?.kind === 'file' && (problem.where.path ?? problem.where.position)).toBeTruthy();
  },
);

function fileOf(text: string): Transientfile {
  const document = parseDocument(text, 'file');
  const file = document.ok ? checkTransientfile(document.value, '/project') : document;
  if (!file.ok) throw new Error(file.problems.map(({ message }) => message).join('; '));
  return file.value;
}

function problemsOf(text: string): readonly Problem[] {
  const document = parseDocument(text, 'file');
  const file = document.ok ? checkTransientfile(document.value, '/project') : document;
  return file.ok ? [] : file.problems;
}
