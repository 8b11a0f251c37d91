import type { Faults } from '../fakes/qemu/faults.ts';
import { Rig } from './rig.ts';

/** VMs by their names with the lines of their tables. */
type VmLines = Readonly<Record<string, string>>;

/** Stands for the working directory, where VMs leave each other signs: what runs in a fake guest runs here. */
export const HERE = '%HERE%';

/** Part of the file before the VMs; the image exists, so that its source is not used. */
const HEAD = '[defaults]\naccel = "tcg"\n[images.test]\nsource = "file=./never-read"\n';

/** A rig with a project named "work" whose VMs have these lines. */
export function project(vms: VmLines, faults: Faults = {}): Rig {
  const rig = new Rig({ faults });
  rig.stored();
  writeProject(rig, vms);
  return rig;
}

/** Writes its Transientfile anew. */
export function writeProject(rig: Rig, vms: VmLines): void {
  const tables = Object.entries(vms).map(([name, lines]) => `[vms.${name}]\nimage = "test"\n${lines}\n`);
  rig.write({ 'Transientfile.toml': [HEAD, ...tables].join('\n').replaceAll(HERE, rig.work) });
}
