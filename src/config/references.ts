import { didYouMean, dotted } from '../options/issues.ts';
import type { KeyPath, Problem } from '../problem.ts';
import type { Document } from './document.ts';
import { inFile } from './locate.ts';
import type { PlacedValue } from './vm-keys.ts';
import { distinct, itemsOf, tableOf, valueOf } from './vm-keys.ts';

/** Names that a file defines and references, as far as they are valid: other parts of it may be invalid. */
interface Names {
  readonly images: readonly string[];
  readonly vms: readonly VmNames[];
}

interface VmNames {
  readonly name: string;
  readonly image: { readonly name: string; readonly path: KeyPath } | undefined;
  /** Dependencies with their key path: a name, or a table that contains one. */
  readonly dependsOn: readonly { readonly vm: string; readonly path: KeyPath }[];
}

/** Finds dangling and circular references of a document, even if other parts of it are invalid. */
export function brokenReferences(document: Document): Problem[] {
  const names = namesIn(document);
  return distinct([
    ...noVm(document, names),
    ...imageless(document),
    ...names.vms.flatMap((vm) => [...unknownImage(document, names, vm), ...unknownVms(document, names, vm)]),
    ...circles(document, names),
  ]);
}

function namesIn(document: Document): Names {
  const { data } = document;
  return {
    images: Object.keys(tableOf(data['images'])),
    vms: Object.keys(tableOf(data['vms'])).map((name) => {
      const image = valueOf(document, name, 'image');
      return {
        name,
        image: typeof image?.value === 'string' ? { name: image.value, path: image.path } : undefined,
        dependsOn: itemsOf(document, name, 'depends-on').flatMap(dependencyIn),
      };
    }),
  };
}

function dependencyIn({ value, path }: PlacedValue): { vm: string; path: KeyPath }[] {
  if (typeof value === 'string') return [{ vm: value, path }];
  const { vm } = tableOf(value);
  return typeof vm === 'string' ? [{ vm, path: [...path, 'vm'] }] : [];
}

function noVm(document: Document, { vms }: Names): Problem[] {
  const value = document.data['vms'];
  if (vms.length > 0 || typeof value !== 'object' || Array.isArray(value)) return [];
  return [
    {
      reason: 'missing-key',
      message: 'the file defines no VM',
      where: inFile(document, ['vms'], 'key'),
      hint: 'add a table such as [vms.test] with a key "image"',
    },
  ];
}

function imageless(document: Document): Problem[] {
  const vms = Object.entries(tableOf(document.data['vms']));
  return vms
    .filter(([name, keys]) => tableOf(keys) === keys && valueOf(document, name, 'image') === undefined)
    .map(([name]) => ({
      reason: 'missing-key',
      message: `[${dotted(['vms', name])}] needs a key "image"`,
      where: inFile(document, ['vms', name], 'key'),
    }));
}

/** Image name similar to one of `[images]`: taken for a misspelling, not for an image of the backend. */
function unknownImage(document: Document, { images }: Names, { image }: VmNames): Problem[] {
  if (images.length === 0 || !image?.name || images.includes(image.name) || image.name.includes(','))
    return [];
  const hint = didYouMean(image.name, images);
  if (hint === undefined) return [];
  const where = inFile(document, image.path, 'value');
  const message = `there is no image "${image.name}" in [images]`;
  return [{ reason: 'unknown-reference', message, where, hint }];
}

function unknownVms(document: Document, { vms }: Names, { name, dependsOn }: VmNames): Problem[] {
  const others = vms.map((vm) => vm.name).filter((other) => other !== name);
  return dependsOn.flatMap(({ vm: dependency, path }): Problem[] => {
    const where = inFile(document, path, 'value');
    if (dependency === name)
      return [{ reason: 'cycle', message: `VM "${name}" depends on itself`, where, hint: 'remove it' }];
    if (others.includes(dependency)) return [];
    const hint = didYouMean(dependency, others) ?? `other VMs of this file: ${others.join(', ') || 'none'}`;
    return [{ reason: 'unknown-reference', message: `there is no VM "${dependency}"`, where, hint }];
  });
}

/** Circular dependencies; each is reported once, at its first VM in the file. */
function circles(document: Document, { vms }: Names): Problem[] {
  // a VM that depends on itself has been reported already
  const edges = new Map(
    vms.map(({ name, dependsOn }) => [
      name,
      dependsOn.map((dependency) => dependency.vm).filter((other) => other !== name),
    ]),
  );
  const finished = new Set<string>();
  return vms.flatMap(({ name }): Problem[] => {
    const circle = circleFrom(name, edges, finished, []);
    if (circle === undefined) return [];
    const [first = name] = circle;
    return [
      {
        reason: 'cycle',
        message: `circular dependency between VMs: ${[...circle, first].join(' → ')}`,
        where: inFile(document, ['vms', first, 'depends-on'], 'value'),
        hint: 'remove one of these dependencies',
      },
    ];
  });
}

function circleFrom(
  vm: string,
  edges: ReadonlyMap<string, readonly string[]>,
  finished: Set<string>,
  trail: readonly string[],
): readonly string[] | undefined {
  if (trail.includes(vm)) return trail.slice(trail.indexOf(vm));
  if (finished.has(vm)) return undefined;
  for (const next of edges.get(vm) ?? []) {
    const circle = circleFrom(next, edges, finished, [...trail, vm]);
    if (circle === undefined) continue;
    circle.forEach((member) => finished.add(member));
    return circle;
  }
  finished.add(vm);
  return undefined;
}
