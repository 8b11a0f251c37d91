import { stripVTControlCharacters, styleText } from 'node:util';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { guestOutputs } from '../../src/run/guest-output.ts';

const NEWLINE = 0x0a;
const LONG = 64 * 1024;

/** Output of VMs in order: each time a few bytes on one of their two streams. */
interface Saying {
  readonly vm: number;
  readonly stream: 'stdout' | 'stderr';
  readonly bytes: Buffer;
}

const VMS = ['a', 'bee', 'c'];

/** Bytes in which lines end often, and which need not be text. */
const bytes = fc
  .array(
    fc.oneof({ arbitrary: fc.constant(NEWLINE), weight: 1 }, { arbitrary: fc.nat({ max: 255 }), weight: 4 }),
    {
      minLength: 1,
      maxLength: 12,
    },
  )
  .map((list) => Buffer.from(list));

/** Now and then so much without an end that it is shown as it comes. */
const chunk = fc.oneof(
  { arbitrary: bytes, weight: 20 },
  {
    arbitrary: fc.integer({ min: LONG - 2, max: LONG + 2 }).map((size) => Buffer.alloc(size, 'x')),
    weight: 1,
  },
);

const sayings: fc.Arbitrary<Saying[]> = fc.array(
  fc.record({
    vm: fc.nat({ max: VMS.length - 1 }),
    stream: fc.constantFrom('stdout' as const, 'stderr' as const),
    bytes: chunk,
  }),
  { maxLength: 40 },
);

describe('the output of several VMs', () => {
  test('comes as whole lines of one of them each, byte for byte, whatever the chunks', () => {
    fc.assert(
      fc.property(sayings, fc.shuffledSubarray(VMS, { minLength: VMS.length }), (sayings, ending) => {
        const shown = show(sayings, ending);
        for (const stream of ['stdout', 'stderr'] as const) {
          const lines = linesOf(Buffer.concat(shown[stream]));
          for (const [index, vm] of VMS.entries()) {
            const prefix = `${vm.padEnd(3)} | `;
            const vmLines = lines.filter((line) => line.startsWith(prefix));
            const wanted = sayings.filter((one) => one.vm === index && one.stream === stream);
            expect(vmLines.map((line) => line.slice(prefix.length))).toEqual(
              linesOf(Buffer.concat(wanted.map((one) => one.bytes))),
            );
          }
          // and nothing else: the prefixes differ, so that no line was counted twice
          expect(lines.every((line) => /^(?:a {2}|bee|c {2}) \| /.test(line))).toBe(true);
        }
      }),
    );
  });

  test('is shown line by line, each when its end has come', () => {
    const { out, outputOf } = outputs(VMS);
    const [a, bee] = [outputOf('a'), outputOf('bee')];
    a.stdout(Buffer.from('on'));
    bee.stdout(Buffer.from('two\nth'));
    expect(out()).toBe('bee | two\n');
    a.stdout(Buffer.from('e\n'));
    expect(out()).toBe('bee | two\na   | one\n');
    bee.end();
    expect(out()).toBe('bee | two\na   | one\nbee | th\n');
    a.end();
    expect(out()).toBe('bee | two\na   | one\nbee | th\n');
  });

  test('does not wait for the end of a line that is very long, and others wait for that', () => {
    const { out, outputOf } = outputs(VMS);
    const [a, bee] = [outputOf('a'), outputOf('bee')];
    a.stdout(Buffer.alloc(LONG, 'x'));
    expect(out()).toBe('');
    a.stdout(Buffer.from('y'));
    expect(out()).toBe(`a   | ${'x'.repeat(LONG)}y`);
    bee.stdout(Buffer.from('short\n'));
    bee.stderr(Buffer.from('elsewhere\n'));
    expect(out()).not.toContain('short');
    a.stdout(Buffer.from('z\nnext\n'));
    expect(out()).toBe(`a   | ${'x'.repeat(LONG)}yz\nbee | short\na   | next\n`);
  });

  test('lets others go on when a VM ends within its long line', () => {
    const { out, outputOf } = outputs(VMS);
    outputOf('bee').end();
    const a = outputOf('a');
    a.stdout(Buffer.alloc(LONG + 1, 'x'));
    outputOf('c').stdout(Buffer.from('waits\n'));
    a.end();
    expect(out()).toBe(`a   | ${'x'.repeat(LONG + 1)}\nc   | waits\n`);
  });

  test('keeps what a chunk said when its memory is used again', () => {
    const { out, outputOf } = outputs(VMS);
    const a = outputOf('a');
    const memory = Buffer.from('once');
    a.stdout(memory);
    memory.fill('?');
    a.end();
    expect(out()).toBe('a   | once\n');
  });

  test('has colours only where they are asked for: the name’s, and another one for each', () => {
    const { out, outputOf } = outputs(['a', 'bee'], true);
    outputOf('a').stdout(Buffer.from('one\n'));
    outputOf('bee').stdout(Buffer.from('two\n'));
    const named = (color: 'cyan' | 'yellow', name: string): string =>
      styleText(color, name, { validateStream: false });
    expect(out()).toBe(`${named('cyan', 'a   | ')}one\n${named('yellow', 'bee | ')}two\n`);
    expect(stripVTControlCharacters(out())).toBe('a   | one\nbee | two\n');
    expect(out()).not.toBe(stripVTControlCharacters(out()));
    const plain = outputs(['a', 'bee']);
    plain.outputOf('a').stdout(Buffer.from('one\n'));
    expect(plain.out()).toBe('a   | one\n');
  });
});

test('what a single VM says is passed on as it is, at once and without its name', () => {
  fc.assert(
    fc.property(fc.array(chunk), (chunks) => {
      const shown: Buffer[] = [];
      const output = guestOutputs(
        () => ['only'],
        { write: (one) => void shown.push(one), color: true },
        { write: unexpected, color: true },
      )('only');
      for (const [index, one] of chunks.entries()) {
        output.stdout(one);
        expect(shown).toHaveLength(index + 1);
      }
      output.end();
      expect(Buffer.concat(shown).equals(Buffer.concat(chunks))).toBe(true);
    }),
  );
});

function show(sayings: readonly Saying[], ending: readonly string[]): Record<'stdout' | 'stderr', Buffer[]> {
  const shown = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
  const outputOf = guestOutputs(
    () => VMS,
    { write: (one) => void shown.stdout.push(one), color: false },
    { write: (one) => void shown.stderr.push(one), color: false },
  );
  const sources = new Map(VMS.map((vm) => [vm, outputOf(vm)]));
  for (const { vm, stream, bytes: some } of sayings) sources.get(VMS[vm] ?? '')?.[stream](some);
  for (const vm of ending) sources.get(vm)?.end();
  return shown;
}

/** The outputs of some VMs, and what stdout has shown so far. */
function outputs(vms: readonly string[], color = false) {
  const shown: Buffer[] = [];
  const outputOf = guestOutputs(
    () => vms,
    { write: (one) => void shown.push(one), color },
    { write: () => undefined, color: false },
  );
  return { outputOf, out: () => Buffer.concat(shown).toString() };
}

/** Lines with each byte as one character; what follows the last end of line is a line too. */
function linesOf(all: Buffer): string[] {
  const lines = all.toString('latin1').split('\n');
  return lines.at(-1) === '' ? lines.slice(0, -1) : lines;
}

function unexpected(): void {
  throw new Error('nothing was said there');
}
