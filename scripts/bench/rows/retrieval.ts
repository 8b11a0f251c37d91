import { execFileSync } from 'node:child_process';
import { createReadStream, rmSync, statSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { timed } from '../command.ts';
import type { Row } from '../row.ts';
import { times } from '../row.ts';
import type { World } from '../world.ts';

export const retrieval: Row = {
  what: 'image pull of an xz image (334 MB) over loopback http',
  against: 'curl | xz -dc -T0 > file, then the rename',
  ...times(1.1),
  prepare: async (world) => {
    const url = await serving(compressed(world));
    const remove = (path: string): void => rmSync(join(world.backend, path), { force: true });
    const script = 'curl -sf "$0" | xz -dc -T0 >"$1.part" && mv "$1.part" "$1"';
    return {
      ours: async () => {
        const spent = await timed([...world.transient, 'image', 'pull', `fetched,http=${url}`], world);
        remove('fetched');
        return spent;
      },
      reference: async () => {
        const spent = await timed(['sh', '-c', script, url, join(world.backend, 'by-hand')], world);
        remove('by-hand');
        return spent;
      },
    };
  },
};

/** The full Debian guest of the tests, in blocks, as `xz -T0` makes it, so that it is unpacked by several threads. */
function compressed({ cwd }: World): string {
  const path = join(cwd, 'image.qcow2.xz');
  const guest = execFileSync('scripts/guest-image', ['debian'], { encoding: 'utf8' }).trim();
  execFileSync('sh', ['-c', 'xz -T0 -1 -c "$0" >"$1"', guest, path]);
  return path;
}

/** The address of a file; its server ends with us. */
async function serving(path: string): Promise<string> {
  const server: Server = createServer((_request, response) => {
    response.writeHead(200, { 'content-length': statSync(path).size });
    createReadStream(path).pipe(response);
  });
  server.listen(0, '127.0.0.1').unref();
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/image.qcow2.xz`;
}
