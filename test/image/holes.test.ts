import { describe, expect, test } from 'vitest';
import { fromPaxSparse } from '../../src/image/unpack/holes.ts';

async function* chunked(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += 7000) yield await Promise.resolve(bytes.subarray(at, at + 7000));
}

async function expanded(map: string, data: Buffer, size: number): Promise<Buffer> {
  const head = Buffer.alloc(Math.ceil(map.length / 512) * 512);
  head.write(map);
  const chunks: Buffer[] = [];
  for await (const chunk of fromPaxSparse(chunked(Buffer.concat([head, data])), size))
    chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

describe('a file that was stored without its holes', () => {
  test('gets them back', async () => {
    const whole = await expanded('2\n512\n512\n2048\n512\n', Buffer.alloc(1024, 'x'), 4096);
    const data = Buffer.alloc(512, 'x');
    const zeros = (count: number): Buffer => Buffer.alloc(count);
    expect(whole.equals(Buffer.concat([zeros(512), data, zeros(1024), data, zeros(1536)]))).toBe(true);
  });

  test('is read to its end, also when there is more than its map lists', async () => {
    const whole = await expanded('1\n0\n512\n', Buffer.alloc(4 << 20, 'x'), 512);
    expect(whole.length).toBe(512);
  });

  test.each([
    ['no numbers', 'x'.repeat(1 << 20)],
    ['more stretches than any file has', `99999999\n${'0\n0\n'.repeat(2_000_000)}`],
    ['stretches that overlap', '2\n0\n512\n0\n512\n'],
    ['a stretch beyond the end', '1\n512\n512\n'],
    ['a negative stretch', '1\n-512\n512\n'],
    ['words', '1\na\nb\n'],
  ])('with a map of %s is refused', async (_what, map) => {
    await expect(expanded(map, Buffer.alloc(1024), 512)).rejects.toThrow('its sparse map is corrupt');
  });
});
