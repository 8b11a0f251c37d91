import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { NetworkCard } from '../../src/config/vm-spec.ts';
import { joinScript } from '../../src/network/join.ts';

const LAN: NetworkCard = {
  name: 'lan',
  address: '10.77.0.2',
  prefix: 24,
  mac: '52:54:00:aa:bb:cc',
  peers: [
    { name: 'web', address: '10.77.0.2' },
    { name: 'db', address: '10.77.0.3' },
  ],
};
const BLOCK = '# transient: begin\n10.77.0.2 web\n10.77.0.3 db\n# transient: end\n';

describe('the script by which a guest joins', () => {
  test('brings the card up, gives it its address, and names the others', () => {
    using guest = new Guest();
    expect(guest.runs()).toBe(0);
    expect(guest.asked).toEqual(['link set dev eth1 up', 'addr add 10.77.0.2/24 broadcast + dev eth1']);
    expect(guest.hosts).toBe(`127.0.0.1 localhost\n${BLOCK}`);
  });

  test('leaves an address that DHCP gave', () => {
    using guest = new Guest({ has: '10.77.0.2/24' });
    expect(guest.runs()).toBe(0);
    expect(guest.asked).toEqual(['link set dev eth1 up']);
  });

  test('takes no longer address for its own', () => {
    using guest = new Guest({ has: '10.77.0.2/240' });
    guest.runs();
    expect(guest.asked).toContain('addr add 10.77.0.2/24 broadcast + dev eth1');
  });

  test('changes nothing when it runs again', () => {
    using guest = new Guest();
    guest.runs();
    guest.markHosts();
    expect(guest.runs()).toBe(0);
    expect(guest.isTouched).toBe(false);
    expect(guest.hosts).toBe(`127.0.0.1 localhost\n${BLOCK}`);
  });

  test('replaces what an earlier run has written, and nothing around it', () => {
    using guest = new Guest({
      hosts: '127.0.0.1 localhost\n# transient: begin\n10.9.9.9 old\n# transient: end\n10.1.1.1 mine\n',
    });
    expect(guest.runs()).toBe(0);
    expect(guest.hosts).toBe(`127.0.0.1 localhost\n10.1.1.1 mine\n${BLOCK}`);
  });

  test('is not led astray by a bridge with the address of the card', () => {
    using guest = new Guest({ virtual: 'br0' });
    guest.runs();
    expect(guest.asked.join()).not.toContain('br0');
  });

  test('says which card is not there', () => {
    using guest = new Guest();
    expect(guest.runs({ ...LAN, mac: '52:54:00:00:00:99' })).toBe(103);
    expect(guest.stderr).toContain('52:54:00:00:00:99');
  });

  test('needs root', () => {
    using guest = new Guest({ user: 1000 });
    expect(guest.runs()).toBe(101);
    expect(guest.asked).toEqual([]);
  });
});

/** A directory that looks like a guest: its cards, its hosts, and an `ip` that writes down what it is asked. */
class Guest implements Disposable {
  readonly #root = mkdtempSync(join(tmpdir(), 'guest-'));
  stderr = '';

  constructor({ has = '', hosts = '127.0.0.1 localhost\n', virtual = 'none', user = 0 } = {}) {
    for (const [card, mac] of [
      [virtual, LAN.mac],
      ['eth0', '52:54:00:12:34:56'],
      ['eth1', LAN.mac],
    ] as const) {
      mkdirSync(join(this.#root, 'net', card, ...(card === virtual ? [] : ['device'])), { recursive: true });
      writeFileSync(join(this.#root, 'net', card, 'address'), `${mac}\n`);
    }
    writeFileSync(join(this.#root, 'hosts'), hosts);
    const show = `[ "$2" = addr ] && [ "$3" = show ] && { echo "    inet ${has} scope global"; exit; }`;
    this.#program('ip', `${show}\necho "$*" >>${this.#root}/asked`);
    this.#program('id', `echo ${user}`);
  }

  runs(card = LAN): number | null {
    const places = { cards: join(this.#root, 'net'), hosts: join(this.#root, 'hosts'), looks: 1 };
    const env = { PATH: `${join(this.#root, 'bin')}:${process.env['PATH'] ?? ''}` };
    const { status, stderr } = spawnSync('sh', ['-c', joinScript([card], places)], { env, encoding: 'utf8' });
    this.stderr = stderr;
    return status;
  }

  get asked(): string[] {
    const path = join(this.#root, 'asked');
    return spawnSync('cat', [path], { encoding: 'utf8' }).stdout.split('\n').filter(Boolean);
  }

  get hosts(): string {
    return readFileSync(join(this.#root, 'hosts'), 'utf8');
  }

  /** Whether the hosts were written to since they were marked. */
  get isTouched(): boolean {
    return statSync(join(this.#root, 'hosts')).mtimeMs !== 0;
  }

  markHosts(): void {
    utimesSync(join(this.#root, 'hosts'), 0, 0);
  }

  #program(name: string, script: string): void {
    mkdirSync(join(this.#root, 'bin'), { recursive: true });
    const path = join(this.#root, 'bin', name);
    writeFileSync(path, `#!/bin/sh\n${script}\n`);
    chmodSync(path, 0o755);
  }

  [Symbol.dispose](): void {
    rmSync(this.#root, { recursive: true });
  }
}
