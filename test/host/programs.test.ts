import { describe, expect, test } from 'vitest';
import { startChild } from '../../src/host/child.ts';
import { shellExitCode } from '../../src/host/exit.ts';
import { findProgram } from '../../src/host/program.ts';
import { run } from '../../src/host/run.ts';
import { quotedForPeople } from '../../src/shell-quote.ts';

describe('a program that runs to its end', () => {
  test('gives what it printed', async () => {
    expect(await run('sh', ['-c', 'echo out; echo err >&2'])).toEqual({ stdout: 'out\n', stderr: 'err\n' });
  });

  test('that fails is an error with its last words', async () => {
    const failure = run('sh', ['-c', 'echo first >&2; echo second >&2; exit 3']);
    await expect(failure).rejects.toMatchObject({
      problem: {
        reason: 'program-failed',
        message: 'sh failed (exit code 3)',
        details: ['first', 'second'],
      },
    });
  });

  test('that is killed is an error with the signal', async () => {
    await expect(run('sh', ['-c', 'kill -9 $$'])).rejects.toThrow('sh failed (killed by SIGKILL)');
  });

  test('can be ended by a signal of ours', async () => {
    const abort = new AbortController();
    const running = run('sleep', ['1000'], { signal: abort.signal });
    abort.abort(new Error('enough'));
    await expect(running).rejects.toThrow('enough');
  });

  test('is not started when it is over before it began', async () => {
    await expect(run('sleep', ['1000'], { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow(
      'enough',
    );
  });

  test('shows its output as it comes', async () => {
    const heard: string[] = [];
    await run('sh', ['-c', 'printf one'], { onOutput: (text) => heard.push(text) });
    expect(heard.join('')).toBe('one');
  });

  test('gets its arguments as they are', async () => {
    const args = ['a b', '', '$HOME', `it's`, '"', '--', '-n'];
    const { stdout } = await run('sh', ['-c', 'for a; do printf "%s|" "$a"; done', 'sh', ...args]);
    expect(stdout).toBe(args.map((arg) => `${arg}|`).join(''));
  });
});

describe('a program that is not there', () => {
  test('is reported by its name, with a hint', async () => {
    await expect(findProgram('no-such-program', 'it is in the package x')).rejects.toMatchObject({
      problem: {
        reason: 'missing-program',
        message: "Required program 'no-such-program' is not installed",
        hint: 'it is in the package x',
      },
    });
  });

  test('a file that is no program is reported as such', async () => {
    await expect(findProgram('/etc/passwd')).rejects.toThrow(
      "Could not run required program '/etc/passwd': Permission denied",
    );
  });
});

describe('a long-lived child', () => {
  test('talks on its channel', async () => {
    const child = await startChild('sh', ['-c', 'read line <&3; echo "got $line" >&3'], { channels: 1 });
    child.channels[0]?.write('hello\n');
    const chunks: Buffer[] = [];
    child.channels[0]?.on('data', (chunk: Buffer) => chunks.push(chunk));
    expect(await child.exited).toEqual({ code: 0, signal: undefined });
    expect(Buffer.concat(chunks).toString()).toBe('got hello\n');
  });

  test('its end by a signal is reported, and never rejects', async () => {
    const child = await startChild('sleep', ['1000'], {});
    child.kill('SIGKILL');
    expect(await child.exited).toEqual({ code: undefined, signal: 'SIGKILL' });
  });
});

describe('exit codes as a shell gives them', () => {
  test.for([
    [{ code: 0, signal: undefined }, 0],
    [{ code: 7, signal: undefined }, 7],
    [{ code: undefined, signal: 'SIGINT' }, 130],
    [{ code: undefined, signal: 'SIGKILL' }, 137],
    [{ code: undefined, signal: 'SIGTERM' }, 143],
  ] as const)('%o is %i', ([exit, code]) => {
    expect(shellExitCode(exit)).toBe(code);
  });
});

describe('arguments for people', () => {
  test.for([
    ['-drive', '-drive'],
    ['file=/a,format=qcow2', 'file=/a,format=qcow2'],
    ['a b', "'a b'"],
    ["it's", `'it'\\''s'`],
    ['', "''"],
    ['$HOME', "'$HOME'"],
  ] as const)('%s is %s', ([argument, text]) => {
    expect(quotedForPeople(argument)).toBe(text);
  });
});
