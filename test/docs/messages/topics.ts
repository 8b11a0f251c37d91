import type { Topic } from './scenario.ts';
import { commandLine } from './topics/command-line.ts';
import { copies } from './topics/copies.ts';
import { detached } from './topics/detached.ts';
import { guest } from './topics/guest.ts';
import { host } from './topics/host.ts';
import { images } from './topics/images.ts';
import { imagesByName } from './topics/images-by-name.ts';
import { networks } from './topics/networks.ts';
import { qemu } from './topics/qemu.ts';
import { several } from './topics/several.ts';
import { shares } from './topics/shares.ts';
import { transientfile } from './topics/transientfile.ts';
import { vmStore } from './topics/vm-store.ts';

/** Topics of the page, in order. */
export const TOPICS: readonly Topic[] = [
  commandLine,
  transientfile,
  images,
  imagesByName,
  vmStore,
  qemu,
  guest,
  copies,
  shares,
  networks,
  several,
  detached,
  host,
];
