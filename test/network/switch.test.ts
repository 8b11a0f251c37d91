import { Duplex, PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { FrameReader, LONGEST_FRAME, framed } from '../../src/network/frame.ts';
import { Switch } from '../../src/network/switch.ts';
import { BROADCAST, frame, onWire } from './frames.ts';

const A = '52:54:00:00:0a:01';
const B = '52:54:00:00:0b:01';
const C = '52:54:00:00:0c:01';

describe('frames', () => {
  const two = Buffer.concat([framed(Buffer.from('first')), framed(Buffer.from('second'))]);

  test.for([1, 2, 3, 5, 7, 100])('are cut out of a stream that comes in pieces of %d bytes', (size) => {
    const reader = new FrameReader();
    const frames: string[] = [];
    for (let at = 0; at < two.length; at += size)
      frames.push(...(reader.take(two.subarray(at, at + size)) ?? []).map(String));
    expect(frames).toEqual(['first', 'second']);
  });

  test('the longest that QEMU sends is one, a byte more is nonsense', () => {
    expect(new FrameReader().take(framed(Buffer.alloc(LONGEST_FRAME)))).toHaveLength(1);
    expect(new FrameReader().take(framed(Buffer.alloc(LONGEST_FRAME + 1)))).toBeUndefined();
  });

  test('nonsense is recognized by its length alone, before there is anything to keep', () => {
    expect(new FrameReader().take(Buffer.alloc(4, 0xff))).toBeUndefined();
  });
});

describe('a switch', () => {
  test('sends to all others what is for all, and what is for someone it has not seen', async () => {
    const net = new Network();
    await net.send('a', frame(BROADCAST, A, 'who?'));
    await net.send('a', frame(C, A, 'hello'));
    expect(net.got('b')).toEqual(['who?', 'hello']);
    expect(net.got('c')).toEqual(['who?', 'hello']);
    expect(net.got('a')).toEqual([]);
  });

  test('sends to one what is for one that it has seen', async () => {
    const net = new Network();
    await net.send('b', frame(BROADCAST, B, 'here'));
    await net.send('a', frame(B, A, 'for b'));
    expect(net.got('b')).toEqual(['for b']);
    expect(net.got('c')).toEqual(['here']);
  });

  test('follows an address that moves to another port', async () => {
    const net = new Network();
    await net.send('b', frame(BROADCAST, B));
    await net.send('c', frame(BROADCAST, B));
    await net.send('a', frame(B, A, 'where?'));
    expect(net.got('c')).toEqual(['', 'where?']);
    expect(net.got('b')).toEqual(['']);
  });

  test('forgets what was behind a port that is gone, and takes the VM when it boots again', async () => {
    const net = new Network();
    await net.send('b', frame(BROADCAST, B));
    net.leave('b');
    await net.send('a', frame(B, A, 'still there?'));
    expect(net.got('c')).toEqual(['', 'still there?']);
    net.join('b');
    await net.send('b', frame(BROADCAST, B, 'again'));
    await net.send('a', frame(B, A, 'welcome'));
    expect(net.got('a')).toEqual(['', 'again']);
    expect(net.got('b')).toEqual(['welcome']);
    expect(net.got('c')).toEqual(['', 'still there?', 'again']);
  });

  test('loses what a slow port does not take, and serves the others', async () => {
    const net = new Network();
    net.join('slow', new Stuck());
    const large = 'x'.repeat(60_000);
    for (let count = 0; count < 100; count++) await net.send('a', frame(BROADCAST, A, large));
    expect(net.got('b')).toHaveLength(100);
    const waiting = net.channelOf('slow').writableLength;
    expect(waiting).toBeGreaterThan(100_000);
    expect(waiting).toBeLessThan(400_000);
  });

  test('cuts the link of a VM that sends nonsense, and reports it once', async () => {
    const net = new Network();
    await net.write('b', Buffer.alloc(64, 0xff));
    await net.write('b', onWire(BROADCAST, B, 'never arrives'));
    await net.send('a', frame(BROADCAST, A, 'for the rest'));
    expect(net.cut).toEqual(['b']);
    expect(net.got('b')).toEqual([]);
    expect(net.got('c')).toEqual(['for the rest']);
  });

  test('keeps reading from a link that was cut: QEMU would wait for ever', async () => {
    const net = new Network();
    await net.write('b', Buffer.alloc(64, 0xff));
    await net.write('b', Buffer.alloc(1_000_000, 0xff));
    expect(net.unreadOf('b')).toBe(0);
  });

  test('drops what is too short for a frame', async () => {
    const net = new Network();
    await net.send('a', Buffer.from('runt'));
    await net.send('a', Buffer.alloc(0));
    await net.send('a', frame(BROADCAST, A, 'whole'));
    expect(net.got('b')).toEqual(['whole']);
  });

  test('remembers no more addresses than it can, however many a guest makes up', async () => {
    const net = new Network();
    await net.send('b', frame(BROADCAST, B));
    const madeUp = (count: number): string => count.toString(16).padStart(12, '0').replace(/^../, '02');
    const many = Array.from({ length: 3000 }, (_none, count) => onWire(B, madeUp(count), ''));
    await net.write('c', Buffer.concat(many));
    const before = net.got('c').length;
    // b was forgotten for one of those: what is for it goes to all again
    await net.send('a', frame(B, A, 'for b'));
    expect(net.got('c').slice(before)).toEqual(['for b']);
    expect(net.got('b').at(-1)).toBe('for b');
  });

  test('gives an answer of its own to the one that asked, and to no one else', async () => {
    const net = new Network((asked) =>
      String(asked.subarray(14)) === 'ping' ? frame(A, B, 'pong') : undefined,
    );
    await net.send('a', frame(BROADCAST, A, 'ping'));
    expect(net.got('a')).toEqual(['pong']);
    expect(net.got('b')).toEqual([]);
  });

  test('that is closed forwards nothing', async () => {
    const net = new Network();
    net.close();
    await net.send('a', frame(BROADCAST, A, 'anybody?'));
    expect(net.got('b')).toEqual([]);
  });
});

/** A switch with three VMs, a, b and c. */
class Network {
  readonly cut: string[] = [];
  readonly #switch: Switch;
  readonly #wires = new Map<string, { channel: Duplex; toSwitch: PassThrough; arrived: string[] }>();

  constructor(answer: (asked: Buffer) => Buffer | undefined = () => undefined) {
    this.#switch = new Switch(answer, (vm) => this.cut.push(vm));
    for (const vm of ['a', 'b', 'c']) this.join(vm);
  }

  join(vm: string, end: Duplex = new PassThrough()): void {
    const toSwitch = new PassThrough({ highWaterMark: 0 });
    const arrived: string[] = [];
    const reader = new FrameReader();
    if (!(end instanceof Stuck))
      end.on('data', (chunk: Buffer) => {
        arrived.push(...(reader.take(chunk) ?? []).map((one) => String(one.subarray(14))));
      });
    const channel = Duplex.from({ readable: toSwitch, writable: end });
    this.#wires.set(vm, { channel, toSwitch, arrived });
    this.#switch.plug(vm, channel);
  }

  leave(vm: string): void {
    this.channelOf(vm).emit('close');
  }

  close(): void {
    this.#switch.close();
  }

  async send(vm: string, one: Buffer): Promise<void> {
    await this.write(vm, framed(one));
  }

  async write(vm: string, chunk: Buffer): Promise<void> {
    this.#wires.get(vm)?.toSwitch.write(chunk);
    for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
  }

  got(vm: string): string[] {
    return this.#wires.get(vm)?.arrived ?? [];
  }

  unreadOf(vm: string): number {
    return this.#wires.get(vm)?.toSwitch.readableLength ?? 0;
  }

  channelOf(vm: string): Duplex {
    const { channel } = this.#wires.get(vm) ?? {};
    if (channel === undefined) throw new Error(`no VM ${vm}`);
    return channel;
  }
}

/** The end of a reader that never reads. */
class Stuck extends Duplex {
  constructor() {
    super({ read: () => undefined, write: () => undefined });
  }
}
