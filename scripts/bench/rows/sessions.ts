import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bareLoop } from '../bare-loop.ts';
import { timed } from '../command.ts';
import type { Row } from '../row.ts';
import { times } from '../row.ts';
import { MACHINE } from '../world.ts';

export const session: Row = {
  what: 'run IMAGE --ssh-command true, stateless',
  against: 'the bare loop: QEMU by hand, ssh tried every 100 ms',
  ...times(1.03, 200),
  prepare: (world) =>
    Promise.resolve({
      ours: () => timed([...world.transient, 'run', world.guest, '--ssh-command', 'true', ...MACHINE], world),
      reference: bareLoop(world),
    }),
};

/** Four of them share two processors or more, so each has one. */
const SMALL = ['--accel', 'tcg', '--memory', '256M', '--cpus', '1', '--ssh-timeout', '300'];

export const fourVms: Row = {
  what: 'four independent VMs with up',
  against: 'four bare loops side by side',
  ...times(1.1),
  prepare: (world) => {
    const loop = bareLoop(world, SMALL);
    const file = join(world.cwd, 'four.toml');
    writeFileSync(file, fourOf(world.guest));
    const loops = async (): Promise<number> => {
      const begin = performance.now();
      await Promise.all([loop(), loop(), loop(), loop()]);
      return performance.now() - begin;
    };
    return Promise.resolve({
      ours: () => timed([...world.transient, 'up', '--file', file, '--jobs', '4'], world),
      reference: loops,
    });
  },
};

function fourOf(image: string): string {
  const defaults = [
    'memory = "256M"',
    'cpus = 1',
    'accel = "tcg"',
    'ssh-timeout = 300',
    'ssh-command = "true"',
  ];
  const vms = ['a', 'b', 'c', 'd'].map((name) => `[vms.${name}]\nimage = "${image}"`);
  return ['[defaults]', ...defaults, ...vms, ''].join('\n');
}
