import { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { Faults } from './faults.ts';

/** The first descriptor of the builder's ports: the control port (src/builder/args.ts). */
const CONTROL = 3;

/** A builder VM that is nothing but its init's answers (src/builder/init-script.ts); copies are accepted and left alone. */
export function runBuilder({ builder }: Faults): void {
  const control = new Socket({ fd: CONTROL, readable: true, writable: true });
  const answer = (line: string): void => void control.write(`${line}\n`);
  control.on('error', () => process.exit(0));
  control.on('close', () => process.exit(0));
  if (builder === 'silent') return;
  if (builder === 'endless') {
    writeEndlessly(control);
    return;
  }
  answer('ready');
  createInterface({ input: control }).on('line', (line) => {
    const [request = ''] = line.split(' ');
    if (builder === `hangs-at-${request}`) return;
    answer('done 0 - -');
    if (request === 'off') process.exit(0);
  });
}

function writeEndlessly(control: Socket): void {
  const piece = Buffer.alloc(64 * 1024, 'x');
  const go = (): void => {
    if (control.writable) control.write(piece, go);
  };
  go();
}
