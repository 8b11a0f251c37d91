import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { timed } from '../command.ts';
import type { Row } from '../row.ts';
import type { World } from '../world.ts';
import { MACHINE } from '../world.ts';

const FILES = 4000;

/** Times in a guest that runs all the while: a command there, over an ssh of its own, less what such a command takes. */
export const sharedFolder: Row = {
  what: `ls -l of ${FILES} files in a shared folder with cache = 1`,
  against: 'of so many files on the disk of the guest',
  limit: () => 3000,
  goal: '≤ 3 s',
  prepare: async (world) => {
    writeFolder(world);
    const up = [...world.transient, 'up', '--detach', ...MACHINE];
    await timed(up, world);
    await timed(inGuest(world, `mkdir own && cd own && seq ${FILES} | xargs touch`), world);
    const listing = async (directory: string): Promise<number> => {
      // what was remembered of the listing before is forgotten
      await delay(2500);
      return timed(inGuest(world, `cd ${directory} && ls -l | grep -c "^-" | grep -qx ${FILES}`), world);
    };
    return { ours: () => listing('/srv/many'), reference: () => listing('own') };
  },
  end: async (world) => {
    await timed([...world.transient, 'down'], world);
  },
};

function inGuest({ transient }: World, command: string): string[] {
  return [...transient, 'ssh', 'shares', '--cmd', command];
}

function writeFolder({ cwd, guest }: World): void {
  const directory = join(cwd, 'many');
  mkdirSync(directory, { recursive: true });
  for (let index = 0; index < FILES; index += 1)
    writeFileSync(join(directory, `file-${index}`), `${index}\n`);
  const folder = '{ host = "./many", guest = "/srv/many", cache = 1 }';
  const text = `[vms.shares]\nimage = "${guest}"\nshared-folder = [${folder}]\n`;
  writeFileSync(join(cwd, 'Transientfile.toml'), text);
}
