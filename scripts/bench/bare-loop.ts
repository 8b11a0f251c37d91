import { execFileSync } from 'node:child_process';
import { createServer } from 'node:net';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { timed } from './command.ts';
import type { Timed } from './row.ts';
import type { World } from './world.ts';
import { MACHINE } from './world.ts';

/**
 * Baseline without this tool: QEMU by hand, ssh tried every 100 ms until it gets through with the command, QEMU
 * killed. Its arguments are those that `transient` has told QEMU, but for its control connection.
 */
const LOOP = `
port=$1 key=$2 user=$3
shift 3
"$@" &
qemu=$!
until ssh -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR \\
  -o ConnectTimeout=1 -o IdentitiesOnly=yes -i "$key" -p "$port" "$user@127.0.0.1" true 2>/dev/null
do sleep 0.1; done
kill -9 $qemu
wait $qemu 2>/dev/null
true`;

export function bareLoop(world: World, flags: readonly string[] = MACHINE): Timed {
  return loop(world, {
    key: world.keyFile,
    user: 'vagrant',
    qemu: qemuArguments(world, [world.guest, ...flags]),
  });
}

/** A guest that is booted by hand. */
interface Guest {
  readonly key: string;
  readonly user: string;
  readonly qemu: readonly string[];
}

/** The loop for a guest, each time with a free port and a new serial log. */
export function loop(world: World, { key, user, qemu }: Guest): Timed {
  return async () => {
    const port = await freePort();
    const args = qemu.map((argument) => argument.replace(':0-:22', `:${port}-:22`));
    const log = `${world.cwd}/serial-${port}.log`;
    const argv = args.map((argument) => argument.replace(/logfile=[^,]*/, `logfile=${log}`));
    const env = { ...world.env, TMPDIR: '/dev/shm' };
    const command = ['sh', '-c', LOOP, 'sh', String(port), key, user, ...argv];
    return timed(command, { cwd: world.cwd, env });
  };
}

/** The line with which our program tells what it starts QEMU with; nothing in it needs quotes. QEMU itself ends at once. */
export function qemuArguments({ transient, cwd, env }: World, run: readonly string[]): string[] {
  const [file, ...args] = [...transient, 'run', ...run, '-v', '--ssh-command', 'true', '--', '-version'];
  const output = execFileSync('sh', ['-c', '"$@" 2>&1', 'sh', file, ...args], { cwd, env, encoding: 'utf8' });
  const line = /INFO (qemu-system-\S+ .*) -version$/m.exec(output)?.[1];
  if (line === undefined) throw new Error(`it was not told what QEMU was started with:\n${output}`);
  return line.replace(/ -chardev socket,id=qmp\S* -mon chardev=qmp\S*/, '').split(' ');
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}
