import { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { Forwarded } from './command-line.ts';

/** Actions of the control connection on the fake machine. */
export interface Controlled {
  readonly sshPort: () => number | undefined;
  readonly connections: () => { readonly count: number; readonly answered: boolean };
  readonly closePort: () => void;
  readonly forwards: readonly Forwarded[];
  readonly powerDown: () => void;
  readonly quit: () => void;
  readonly negotiated: () => void;
  /** A command that is refused. */
  readonly refuses: string | undefined;
  /** Fault of the connection once it is ready: it is closed, goes silent, or sends an endless line. */
  readonly then: 'leaves' | 'is-silent' | 'is-endless' | 'answers';
}

interface Request {
  readonly execute: string;
  readonly id?: unknown;
  readonly arguments?: Readonly<Record<string, unknown>>;
}

/** QEMU's side of QMP on an inherited socket; messages have the shape and the line ends of QEMU 7.2. */
export class QmpServer {
  readonly #socket: Socket;
  readonly #controlled: Controlled;

  constructor(descriptor: number, controlled: Controlled) {
    this.#controlled = controlled;
    this.#socket = new Socket({ fd: descriptor, readable: true, writable: true });
    // whoever controlled us is gone: QEMU goes on without it
    this.#socket.on('error', () => undefined);
    const lines = createInterface({ input: this.#socket });
    lines.on('error', () => undefined);
    lines.on('line', (line) => {
      this.#answer(JSON.parse(line) as Request);
    });
  }

  greet(): void {
    const version = { qemu: { micro: 22, minor: 2, major: 7 }, package: 'fake' };
    this.#send({ QMP: { version, capabilities: ['oob'] } });
  }

  event(event: string, data?: Readonly<Record<string, unknown>>): void {
    const timestamp = { seconds: Math.floor(Date.now() / 1000), microseconds: 0 };
    this.#send({ timestamp, event, ...(data ? { data } : {}) });
  }

  /** A disk could not be written, and the guest was stopped for it (QEMU, qapi/block-core). */
  ioError(nospace: boolean): void {
    const reason = nospace ? 'No space left on device' : 'Input/output error';
    const disk = { device: 'disk0', 'node-name': '#block134', operation: 'write' };
    this.event('BLOCK_IO_ERROR', { ...disk, action: 'stop', nospace, reason });
    this.event('STOP');
  }

  #answer({ execute, id, arguments: args }: Request): void {
    const answer = (value: unknown): void => this.#send({ return: value, id });
    const isSilent = ['is-silent', 'is-endless'].includes(this.#controlled.then);
    if (execute !== 'qmp_capabilities' && isSilent) return;
    if (execute === this.#controlled.refuses) {
      this.#send({ id, error: { class: 'GenericError', desc: `The command ${execute} is disabled` } });
      return;
    }
    switch (execute) {
      case 'qmp_capabilities':
        answer({});
        this.#controlled.negotiated();
        if (this.#controlled.then === 'leaves') this.#socket.end();
        if (this.#controlled.then === 'is-endless') this.#writeEndlessly();
        break;
      case 'query-rx-filter':
        // its card is up from the first
        answer([{ name: args?.['name'], 'multicast-table': ['01:00:5e:00:00:01'] }]);
        break;
      case 'set-action':
        answer({});
        break;
      case 'human-monitor-command':
        answer(this.#human(String(args?.['command-line'])));
        break;
      case 'system_powerdown':
        this.event('POWERDOWN');
        answer({});
        this.#controlled.powerDown();
        break;
      case 'quit':
        answer({});
        this.#controlled.quit();
        break;
      default: {
        const desc = `The command ${execute} has not been found`;
        this.#send({ id, error: { class: 'CommandNotFound', desc } });
      }
    }
  }

  #writeEndlessly(): void {
    const piece = Buffer.alloc(1024 * 1024, 'x');
    const go = (): void => {
      if (this.#socket.writable) this.#socket.write(piece, go);
    };
    go();
  }

  #human(line: string): string {
    if (/^hostfwd_remove ssh tcp:127\.0\.0\.1:\d+$/.test(line)) {
      this.#controlled.closePort();
      return 'host forwarding rule removed\r\n';
    }
    if (line !== 'info usernet') return `unknown command: '${line}'\r\n`;
    const port = this.#controlled.sshPort();
    if (port === undefined) return '';
    const ssh = { protocol: 'tcp', address: '127.0.0.1', host: port, guest: 22 };
    const { count, answered } = this.#controlled.connections();
    const connection = `  TCP[${answered ? 'ESTABLISHED' : 'SYN_SENT'}]`.padEnd(19);
    return [
      'Hub -1 (ssh):',
      '  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ',
      ...Array.from(
        { length: count },
        () =>
          `${connection}  12       127.0.0.1 ${String(port).padStart(5)}       10.0.2.15    22     0     0`,
      ),
      // libslirp lists what was added last first
      ...[ssh, ...this.#controlled.forwards].reverse().map(row),
      '',
    ].join('\r\n');
  }

  #send(message: unknown): void {
    if (this.#socket.writable) this.#socket.write(`${JSON.stringify(message)}\r\n`);
  }
}

/** One line of `info usernet`; `*` stands for all addresses. */
function row({ protocol, address, host, guest }: Forwarded): string {
  const name = `${protocol.toUpperCase()}[HOST_FORWARD]`;
  const from = `${(address === '0.0.0.0' ? '*' : address).padStart(15)} ${String(host).padStart(5)}`;
  return `  ${name}  11 ${from}       10.0.2.15 ${String(guest).padStart(5)}     0     0`;
}
