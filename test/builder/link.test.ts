import { execFileSync } from 'node:child_process';
import { duplexPair } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { ControlChannel } from '../../src/builder/control-channel.ts';
import { printfEscaped } from '../../src/transfer/guest-shell.ts';
import { turns } from '../run/parts.ts';

const PATIENT = new AbortController().signal;

/** A text as the builder answers it. */
function encoded(text: string): string {
  return Buffer.from(text).toString('base64');
}

test.for(['two\nlines', String.raw`back\slash \n \\0101 \c`, 'quo\'tes "and" $(more)\n\ttab', 'ünï'])(
  'the script %j is on one line, and printf makes it again',
  (script) => {
    const line = printfEscaped(script);
    expect(line).not.toContain('\n');
    for (const shell of ['sh', 'busybox sh']) {
      const output = execFileSync('sh', ['-c', `${shell} -c 'printf %b "$1"' - "$1"`, '-', line], {
        encoding: 'utf8',
      });
      expect(output).toBe(script);
    }
  },
);

test('a request is a line, and its answer is decoded', async () => {
  const { link, builder } = linked();
  const answer = link.request(['ask', '-', printfEscaped('ls "$HOME"\n')], PATIENT);
  expect(await builder.heard()).toBe('ask - ls "$HOME"\n');
  builder.says(`done 3 ${encoded('two\nlines')} ${encoded('and an error')}\n`);
  expect(await answer).toEqual({ code: 3, stdout: 'two\nlines', stderr: 'and an error' });
});

test('what was not sent is empty', async () => {
  const { link, builder } = linked();
  const answer = link.request(['off'], PATIENT);
  builder.says('done 0 - -\n');
  expect(await answer).toEqual({ code: 0, stdout: '', stderr: '' });
});

describe('lines come in any pieces', () => {
  test('an answer byte by byte', async () => {
    const { link, builder } = linked();
    const answer = link.request(['ask', '-'], PATIENT);
    for (const byte of `done 0 ${encoded('ünï')} -\n`) {
      builder.says(byte);
      await turns(1);
    }
    expect((await answer).stdout).toBe('ünï');
  });

  test('two lines at once, before anybody asks', async () => {
    const { link, builder } = linked();
    builder.says('ready\ndone 4 - -\n');
    await turns(3);
    await link.ready(PATIENT);
    expect((await link.request(['ask', '-'], PATIENT)).code).toBe(4);
  });

  test('an answer that is longer than a pipe holds', async () => {
    const { link, builder } = linked();
    const answer = link.request(['ask', '-'], PATIENT);
    const text = 'x'.repeat(1_000_000);
    builder.says(`done 0 ${encoded(text)} -\n`);
    expect((await answer).stdout).toBe(text);
  });
});

describe('a machine that ends', () => {
  test('rejects what waits for an answer, and what is asked later', async () => {
    const { link, builder } = linked();
    const waiting = link.request(['ask', '-'], PATIENT);
    builder.ends(new Error('the builder VM ended'));
    await expect(waiting).rejects.toThrow('the builder VM ended');
    await expect(link.request(['off'], PATIENT)).rejects.toThrow('the builder VM ended');
  });

  test('before it was ready rejects that', async () => {
    const { link, builder } = linked();
    const ready = link.ready(PATIENT);
    builder.ends(new Error('the builder VM ended'));
    await expect(ready).rejects.toThrow('the builder VM ended');
  });

  test('is asked for nothing more: it is not idle', async () => {
    const { link, builder } = linked();
    const waiting = link.request(['ask', '-'], PATIENT);
    builder.ends(new Error('the builder VM ended'));
    await expect(waiting).rejects.toThrow();
    expect(await link.isIdle(10_000)).toBe(false);
  });
});

describe('a request that is aborted', () => {
  test('ends at once, while the builder is still at it', async () => {
    const { link, builder } = linked();
    const abort = new AbortController();
    const answer = link.request(['take', 'copy0', '-'], abort.signal);
    abort.abort(new Error('enough'));
    await expect(answer).rejects.toThrow('enough');
    expect(await link.isIdle(0)).toBe(false);
    builder.says('done 0 - -\n');
    expect(await link.isIdle(10_000)).toBe(true);
  });

  test('keeps its answer, should that come while another waits', async () => {
    const { link, builder } = linked();
    const abort = new AbortController();
    const first = link.request(['ask', '-', printfEscaped('first')], abort.signal);
    abort.abort(new Error('enough'));
    await expect(first).rejects.toThrow('enough');
    const second = link.request(['ask', '-', printfEscaped('second')], PATIENT);
    builder.says(`done 1 ${encoded('first')} -\n`);
    await turns(3);
    builder.says(`done 0 ${encoded('second')} -\n`);
    expect((await second).stdout).toBe('second');
  });

  test('before it is sent is not sent', async () => {
    const { link, builder } = linked();
    await expect(link.request(['ask', '-'], AbortSignal.abort(new Error('enough')))).rejects.toThrow(
      'enough',
    );
    const next = link.request(['off'], PATIENT);
    expect(await builder.heard()).toBe('off\n');
    builder.says('done 0 - -\n');
    await next;
  });
});

/** The builder's end of the control port. */
interface FakeBuilder {
  readonly says: (text: string) => void;
  /** The next of what it was sent. */
  readonly heard: () => Promise<string>;
  readonly ends: (error: Error) => void;
}

function linked(): { link: ControlChannel; builder: FakeBuilder } {
  const [near, far] = duplexPair();
  let ends: FakeBuilder['ends'] = () => undefined;
  const lost = new Promise<never>((_resolve, reject) => (ends = reject));
  const heard = async (): Promise<string> => {
    const { value } = (await far.iterator({ destroyOnReturn: false }).next()) as { value: Buffer };
    return value.toString();
  };
  return { link: new ControlChannel(near, lost), builder: { says: (text) => far.write(text), heard, ends } };
}
