import { once } from 'node:events';
import { Duplex } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { openQmp, type Qmp } from '../../src/qemu/qmp.ts';

const GREETING = '{"QMP": {"version": {}, "capabilities": ["oob"]}}';

describe('the beginning', () => {
  test('capabilities are negotiated after the greeting', async () => {
    const { qemu, opened } = opening();
    expect(qemu.heard).toEqual([]);
    qemu.say(GREETING);
    expect(await qemu.next()).toEqual({ execute: 'qmp_capabilities', id: 1 });
    qemu.say('{"return": {}, "id": 1}');
    await opened;
  });

  test('a QEMU that sends nothing is given up', async () => {
    await expect(opening(0.01).opened).rejects.toThrow(
      'did not respond on its control connection within 0.01 s',
    );
  });

  test('a QEMU that hangs up is reported', async () => {
    const { qemu, opened } = opening();
    qemu.hangUp();
    await expect(opened).rejects.toThrow('QEMU closed its control connection');
  });

  test('a connection that breaks is reported', async () => {
    const { qemu, opened } = opening();
    qemu.socket.destroy(new Error('read ECONNRESET'));
    await expect(opened).rejects.toThrow('QEMU closed its control connection');
  });
});

describe('commands', () => {
  test('answers find their commands in any order', async () => {
    const { qemu, qmp } = await open();
    const answers = Promise.all([qmp.execute('first'), qmp.execute('second', { x: 1 })]);
    expect(await qemu.next()).toEqual({ execute: 'first', id: 2 });
    expect(await qemu.next()).toEqual({ execute: 'second', arguments: { x: 1 }, id: 3 });
    qemu.say('{"return": "two", "id": 3}', '{"return": "one", "id": 2}');
    expect(await answers).toEqual(['one', 'two']);
  });

  test("a refusal is an error in QEMU's words", async () => {
    const { qemu, qmp } = await open();
    const refused = qmp.execute('nonsense');
    qemu.say(
      '{"id": 2, "error": {"class": "CommandNotFound", "desc": "The command nonsense has not been found"}}',
    );
    await expect(refused).rejects.toThrow('QEMU rejected a command: The command nonsense has not been found');
  });

  test('what waits when the connection is lost fails with that', async () => {
    const { qemu, qmp } = await open();
    const waiting = qmp.execute('query-status');
    qemu.hangUp();
    await expect(waiting).rejects.toThrow('QEMU closed its control connection');
  });

  test('a command on a lost connection fails with that, too', async () => {
    const { qemu, qmp } = await open();
    qemu.socket.destroy();
    await once(qemu.socket, 'close');
    await expect(qmp.execute('query-status')).rejects.toThrow('QEMU closed its control connection');
  }, 2000);

  test('the human monitor answers in text', async () => {
    const { qemu, qmp } = await open();
    const answer = qmp.human('info usernet');
    expect(await qemu.next()).toMatchObject({
      execute: 'human-monitor-command',
      arguments: { 'command-line': 'info usernet' },
    });
    qemu.say('{"return": "Hub -1 (ssh):\\r\\n", "id": 2}');
    expect(await answer).toBe('Hub -1 (ssh):\r\n');
  });
});

describe('messages in between', () => {
  test('events, unexpected answers and what is no JSON disturb nothing', async () => {
    const { qemu, qmp } = await open();
    const answer = qmp.execute('query-status');
    qemu.say('{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "POWERDOWN"}');
    qemu.say('{"return": {}, "id": 99}', 'nonsense', '', '[]', 'null', '{"return": "running", "id": 2}');
    expect(await answer).toBe('running');
  });

  test('a message may come in pieces, and several at once', async () => {
    const { qemu, qmp } = await open();
    const answers = Promise.all([qmp.execute('one'), qmp.execute('two')]);
    qemu.write('{"return": "o');
    qemu.write('ne", "id": 2}\r\n{"return": "two", ');
    qemu.write('"id": 3}\r\n');
    expect(await answers).toEqual(['one', 'two']);
  });
});

/** The other end of a control connection. */
class FakeQemu {
  readonly heard: unknown[] = [];
  #read = 0;
  readonly socket = new Duplex({
    read: () => undefined,
    write: (chunk: Buffer, _encoding, done) => {
      const lines = chunk.toString().split('\n').filter(Boolean);
      this.heard.push(...lines.map((line) => JSON.parse(line) as unknown));
      done();
    },
  });

  write(text: string): void {
    this.socket.push(text);
  }

  say(...lines: readonly string[]): void {
    for (const line of lines) this.write(`${line}\r\n`);
  }

  hangUp(): void {
    this.socket.push(null);
  }

  /** The next command that was heard. */
  async next(): Promise<unknown> {
    while (this.heard.length <= this.#read) await new Promise(setImmediate);
    return this.heard[this.#read++];
  }
}

function opening(timeout = 2): { qemu: FakeQemu; opened: Promise<Qmp> } {
  const qemu = new FakeQemu();
  return { qemu, opened: openQmp(qemu.socket, timeout) };
}

async function open(): Promise<{ qemu: FakeQemu; qmp: Qmp }> {
  const { qemu, opened } = opening();
  qemu.say(GREETING);
  await qemu.next();
  qemu.say('{"return": {}, "id": 1}');
  return { qemu, qmp: await opened };
}
