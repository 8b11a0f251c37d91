import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { dhcpServer } from '../../src/network/dhcp.ts';
import { parseIpv4 } from '../../src/options/ipv4.ts';
import { BROADCAST, bytes } from './frames.ts';

const MAC = '52:54:00:aa:bb:cc';
const ADDRESS = '10.77.0.5';
const SERVER = '10.77.0.1';
const serve = dhcpServer({ network: address('10.77.0.0'), prefix: 24 }, new Map([[MAC, address(ADDRESS)]]));

describe('a card that is known', () => {
  test('is offered its address', () => {
    const answer = read(serve(question({ type: 1 })));
    expect(answer).toMatchObject({ type: 2, given: ADDRESS, to: MAC, ip: ADDRESS, ports: [67, 68] });
    expect(answer.options.get(54)).toEqual(ip(SERVER));
    expect(answer.options.get(51)).toEqual(bytes('ffffffff'));
    expect(answer.options.get(1)).toEqual(ip('255.255.255.0'));
  });

  test('is offered no router and no name server', () => {
    const { options } = read(serve(question({ type: 1 })));
    expect([...options.keys()].sort((a, b) => a - b)).toEqual([1, 28, 51, 53, 54]);
  });

  test('gets what it was offered', () => {
    const asked = question({ type: 3, options: { 50: ip(ADDRESS), 54: ip(SERVER) } });
    expect(read(serve(asked))).toMatchObject({ type: 5, given: ADDRESS });
  });

  test('gets what it had in an earlier life, when it is the same', () => {
    expect(read(serve(question({ type: 3, options: { 50: ip(ADDRESS) } })))).toMatchObject({ type: 5 });
    expect(read(serve(question({ type: 3, current: ADDRESS })))).toMatchObject({ type: 5 });
  });

  test('is refused any other, so that it asks anew', () => {
    const answer = read(serve(question({ type: 3, options: { 50: ip('10.77.0.6') } })));
    expect(answer).toMatchObject({ type: 6, given: '0.0.0.0', to: BROADCAST, ip: '255.255.255.255' });
  });

  test('that wants a broadcast gets one', () => {
    const answer = read(serve(question({ type: 1, flags: 0x8000 })));
    expect(answer).toMatchObject({ to: BROADCAST, ip: '255.255.255.255', given: ADDRESS });
  });

  test('is called by the name and the number that it gave itself', () => {
    const name = bytes('ff01020304');
    const answer = read(serve(question({ type: 1, options: { 61: name } })));
    expect(answer.options.get(61)).toEqual(name);
    expect(answer.transaction).toBe('cafebabe');
  });

  test('that chose another server is left alone', () => {
    const asked = question({ type: 3, options: { 50: ip(ADDRESS), 54: ip('10.77.0.9') } });
    expect(serve(asked)).toBeUndefined();
  });
});

describe('no answer is given', () => {
  test('to a card that is not known', () => {
    expect(serve(question({ type: 1, mac: '52:54:00:aa:bb:cd' }))).toBeUndefined();
  });

  test.for([4, 7, 8, 0, 255])('to a message of type %d', (type) => {
    expect(serve(question({ type }))).toBeUndefined();
  });

  test.for([
    ['another protocol than IPv4', 13, 0x06],
    ['another version of IP', 14, 0x65],
    ['an IP header that is too short', 14, 0x44],
    ['an IP header that is longer than it is', 14, 0x4f],
    ['a fragment', 20, 0x20],
    ['another protocol than UDP', 23, 6],
    ['another port', 37, 68],
    ['a length that is too long', 38, 0xff],
    ['an answer', 42, 2],
    ['another kind of hardware', 43, 6],
    ['a long hardware address', 44, 16],
    ['another cookie', 278, 0],
  ] as const)('to %s', ([, at, value]) => {
    const asked = question({ type: 1 });
    asked[at] = value;
    expect(serve(asked)).toBeUndefined();
  });

  test('to one that was cut off, wherever', () => {
    const asked = question({ type: 1 });
    for (let length = 0; length < asked.length - 1; length++)
      expect(serve(asked.subarray(0, length))).toBeUndefined();
  });

  test('to options that lead beyond the end', () => {
    const asked = question({ type: 1 });
    asked[283] = 200;
    expect(serve(asked)).toBeUndefined();
  });
});

test('whatever comes, an answer is an answer or nothing', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat(320), fc.constantFrom(1, 3), (noise, at, type) => {
      const asked = question({ type });
      asked.set(noise.subarray(0, Math.max(0, asked.length - at)), Math.min(at, asked.length));
      const answer = serve(asked);
      if (answer !== undefined) expect([2, 5, 6]).toContain(read(answer).type);
    }),
  );
});

/** A client's message as a frame. */
function question(of: {
  readonly type: number;
  readonly mac?: string;
  readonly flags?: number;
  readonly current?: string;
  readonly options?: Readonly<Record<number, Buffer>>;
}): Buffer {
  const { type, mac = MAC, flags = 0, current = '0.0.0.0', options = {} } = of;
  const bootp = Buffer.alloc(236);
  bootp.set([1, 1, 6, 0]);
  bootp.set(bytes('cafebabe'), 4);
  bootp.writeUInt16BE(flags, 10);
  bootp.set(ip(current), 12);
  bootp.set(bytes(mac), 28);
  const encoded = Object.entries({ ...options, 53: Buffer.of(type) }).flatMap(([code, value]) => [
    Buffer.of(Number(code), value.length),
    value,
  ]);
  const end = Buffer.of(255);
  const payload = Buffer.concat([
    bootp,
    bytes('63825363'),
    ...encoded.slice(-2),
    ...encoded.slice(0, -2),
    end,
  ]);
  const udp = Buffer.alloc(8);
  udp.writeUInt16BE(68, 0);
  udp.writeUInt16BE(67, 2);
  udp.writeUInt16BE(8 + payload.length, 4);
  const header = bytes('4500 0000 0000 0000 4011 0000 00000000 ffffffff');
  header.writeUInt16BE(28 + payload.length, 2);
  return Buffer.concat([bytes(BROADCAST), bytes(mac), bytes('0800'), header, udp, payload]);
}

/** An answer, taken apart; its sums and lengths must be right. */
function read(frame: Buffer | undefined): {
  to: string;
  ip: string;
  ports: number[];
  type: number;
  given: string;
  transaction: string;
  options: Map<number, Buffer>;
} {
  if (frame === undefined) throw new Error('no answer');
  const header = frame.subarray(14, 34);
  expect(frame.readUInt16BE(16)).toBe(frame.length - 14);
  expect(frame.readUInt16BE(38)).toBe(frame.length - 34);
  let sum = 0;
  for (let at = 0; at < 20; at += 2) sum += header.readUInt16BE(at);
  expect((sum & 0xffff) + (sum >>> 16)).toBe(0xffff);
  const bootp = frame.subarray(42);
  expect(bootp.length).toBeGreaterThanOrEqual(300);
  const options = new Map<number, Buffer>();
  for (let at = 240; bootp[at] !== 255; at += 2 + (bootp[at + 1] ?? 0))
    options.set(bootp[at] ?? 0, bootp.subarray(at + 2, at + 2 + (bootp[at + 1] ?? 0)));
  return {
    to: frame.toString('hex', 0, 6).replaceAll(/..(?=.)/g, '$&:'),
    ip: [...frame.subarray(30, 34)].join('.'),
    ports: [frame.readUInt16BE(34), frame.readUInt16BE(36)],
    type: options.get(53)?.[0] ?? 0,
    given: [...bootp.subarray(16, 20)].join('.'),
    transaction: bootp.toString('hex', 4, 8),
    options,
  };
}

function address(text: string): number {
  const parsed = parseIpv4(text);
  if (parsed === undefined) throw new Error(`no address: ${text}`);
  return parsed;
}

function ip(text: string): Buffer {
  return Buffer.from(text.split('.').map(Number));
}
