import { cpSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Rig } from '../rig/rig.ts';
import { succeeded } from '../rig/vms.ts';
import { guest, realRig } from './guests.ts';

const EXAMPLE = 'examples/four-vms';

test('the plan of four VMs shows what each waits for', async () => {
  await using rig = example();
  const tree = await succeeded(rig, ['plan', '--jobs', '4']);
  expect(tree).toMatch(/^Plan: 4 VMs, 29 steps$/m);
  const boots = [
    ...tree.matchAll(/─ (\w+)\n(?:│ {2})?.*Boot .* needs image\/tiny, network\/lan\/open(.*)$/gm),
  ];
  expect(boots.map(([, vm, rest]) => `${vm}${rest}`)).toEqual([
    'db',
    'web, db/boot',
    'migrate, db/ready-command',
    'client, web/ready-command, migrate/run',
  ]);
  const dot = await succeeded(rig, ['plan', '--dot']);
  expect(dot.match(/label="(db|web|migrate|client)";/g)).toHaveLength(4);
  const arrows = [...dot.matchAll(/"(?!image|network)\w+\/[\w-]+" -> "\w+\/boot";/g)].map(([arrow]) => arrow);
  expect(arrows).toEqual([
    '"db/boot" -> "web/boot";',
    '"db/ready-command" -> "migrate/boot";',
    '"web/ready-command" -> "client/boot";',
    '"migrate/run" -> "client/boot";',
  ]);
});

test('four VMs: those that are independent boot together, the others in order, and the client has the last word', async () => {
  await using rig = example();
  const { exitCode, stdout, stderr } = await rig.run([
    'up',
    ...['--jobs', '4'],
    ...['--accel', 'tcg', '--ssh-timeout', '180'],
  ]);
  expect(stdout.text).toBe('migrate | users: 1 row\nclient  | users: Ada Lovelace\n');
  expect(exitCode).toBe(0);
  const news = stderr.text.split('\n').map((line) => line.replace(/: done \(.*/, ''));
  const at = (line: RegExp): number => news.findIndex((one) => line.test(one));
  const inOrder = (...lines: readonly RegExp[]): void => {
    const places = lines.map(at);
    expect(
      places.every((place, index) => place > (places[index - 1] ?? -1)),
      lines.join(' '),
    ).toBe(true);
  };
  // side by side: each has booted before either is reached
  inOrder(/^db: Boot$/, /^web: Boot$/, /^db: Wait for ssh$/);
  inOrder(/^db: Boot$/, /^web: Boot$/, /^web: Wait for ssh$/);
  inOrder(/^db: Wait for sh database/, /^migrate: Boot$/, /^migrate: Run/, /^client: Boot$/, /^client: Run/);
  inOrder(/^web: Wait for sh web/, /^client: Boot$/);
  inOrder(/^client: Shut down$/, /^web: Shut down$/, /^db: Shut down$/, /^Close network lan$/);
});

/** The example as it is, with its image. */
function example(): Rig {
  const rig = realRig();
  cpSync(EXAMPLE, rig.work, { recursive: true });
  const image = join(rig.work, 'tiny.qcow2');
  // somebody who has tried the example has an image there already
  rmSync(image, { force: true });
  symlinkSync(guest('tiny').replace(/^tiny,file=/, ''), image);
  return rig;
}
