import { readFileSync, readdirSync, rmSync, statSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { compressed, disk } from '../rig/disks.ts';
import { HttpServer } from '../rig/http-server.ts';
import { Rig } from '../rig/rig.ts';

/** How many processes are killed; the answer to the question is only as good as this is large. */
const KILLS = Number(process.env['TRANSIENT_KILLS'] ?? 25);
const IMAGE = disk('qcow2');
const PACKED = compressed(IMAGE, 'xz');

test(
  `${KILLS} kills at random moments never leave a broken image`,
  { timeout: 60_000 + 2000 * KILLS },
  async () => {
    await using rig = new Rig();
    await using server = await HttpServer.start();
    const url = server.serve('/disk', { content: PACKED, etag: '"1"', rate: PACKED.length * 4 });
    const tally = { finished: 0, killed: 0, resumable: 0, resumed: 0 };
    let longest = await unhurried(rig, url);
    while (tally.killed < KILLS) {
      const hadDownload = downloaded(rig) > 0;
      const asked = server.requests.length;
      const program = rig.start(['image', 'pull', `disk,http=${url}`]);
      const ended = await Promise.race([program.ended, delay(Math.random() * longest)]);
      if (ended) longest *= 0.98;
      await program.kill();
      tally.killed += ended ? 0 : 1;
      const request = server.requests[asked];
      if (hadDownload && request) {
        tally.resumable++;
        if (request.range !== undefined) tally.resumed++;
      }
      if (rig.images.length > 0) {
        expect(rig.images).toEqual(['disk']);
        expect(imageOf(rig).equals(IMAGE)).toBe(true);
        tally.finished++;
        remove(rig);
      }
    }
    ageNewborns(rig);
    expect((await rig.pull(`disk,http=${url}`)).exitCode).toBe(0);
    expect(imageOf(rig).equals(IMAGE)).toBe(true);
    expect(rig.unfinished).toEqual([]);
    expect(tally.resumed).toBe(tally.resumable);
    const { killed, resumable, resumed, finished } = tally;
    console.log(
      `${killed} kills: ${resumed} of ${resumable} with a download resumed, ${finished} images finished`,
    );
  },
);

/** Retrieves the image once and takes it away again; returns how many milliseconds that took. */
async function unhurried(rig: Rig, url: string): Promise<number> {
  const start = performance.now();
  expect((await rig.pull(`disk,http=${url}`)).exitCode).toBe(0);
  remove(rig);
  return performance.now() - start;
}

function imageOf(rig: Rig): Buffer {
  return readFileSync(join(rig.backend, 'disk'));
}

/** As `image rm` does, which would take longer than the rest. */
function remove(rig: Rig): void {
  rmSync(join(rig.backend, 'disk'));
  rmSync(join(rig.backend, '.origin', 'disk.json'), { force: true });
}

function downloaded(rig: Rig): number {
  const path = join(rig.backend, '.working', 'disk', 'download');
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** A run directory whose maker died before it had its lock is swept a while later only: let that while be over. */
function ageNewborns(rig: Rig): void {
  const base = join(rig.runtime, 'transient');
  for (const name of readdirSync(base)) if (name.startsWith('new-')) utimesSync(join(base, name), 0, 0);
}
