import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { performance } from 'node:perf_hooks';

export interface Surroundings {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
}

/** Runs a command to its end and returns how long that took, in milliseconds; any other exit code than 0 is an error. */
export async function timed([file = '', ...args]: readonly string[], where: Surroundings): Promise<number> {
  const begin = performance.now();
  const child = spawn(file, args, { ...where, stdio: ['ignore', 'ignore', 'pipe'] });
  const chunks: Buffer[] = [];
  child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk));
  const [code] = (await once(child, 'close')) as [number | null];
  const spent = performance.now() - begin;
  if (code === 0) return spent;
  throw new Error(
    `${file} ${args.join(' ')}: exit code ${code ?? 'none'}\n${Buffer.concat(chunks).toString()}`,
  );
}
