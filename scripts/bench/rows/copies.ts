import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { builderByHand, expectArrived } from '../builder-by-hand.ts';
import { timed } from '../command.ts';
import type { Row, Timed } from '../row.ts';
import { times } from '../row.ts';
import type { World } from '../world.ts';

export const oneCopy: Row = {
  what: 'one copy of a small file into a stopped VM',
  against: "the builder's kernel and initramfs booted by hand, and untar",
  ...times(1.3),
  prepare: async (world) => {
    await createVm(world);
    const reference = await builderByHand(world, VM);
    await reference();
    expectArrived(world, VM);
    return { ours: copying(world, 1), reference };
  },
};

export const tenCopies: Row = {
  what: 'ten copies of small files into a stopped VM',
  against: 'one',
  ...times(1.2),
  prepare: async (world) => {
    await createVm(world);
    return { ours: copying(world, 10), reference: copying(world, 1) };
  },
};

const VM = 'copies';

async function createVm(world: World): Promise<void> {
  await timed([...world.transient, 'rm', '-f', VM], world).catch(() => undefined);
  await timed([...world.transient, 'create', world.guest, '--name', VM], world);
}

/** A whole command with so many copies: each source of `cp` is one, as each `--copy-in-before` is. */
function copying(world: World, count: number): Timed {
  const files = Array.from({ length: count }, (_none, index) => join(world.cwd, `small-${index}`));
  for (const file of files) writeFileSync(file, 'a small file\n');
  return () => timed([...world.transient, 'cp', ...files, `${VM}:/root/`], world);
}
