import { expect, test } from 'vitest';
import { guest, PATIENTLY, realRig } from './guests.ts';

test('a server that punishes impatient clients has nothing against us', async () => {
  await using rig = realRig();
  const command = 'ssh -V 2>&1; systemctl is-system-running --wait; sudo journalctl -b -u ssh --no-pager';
  const { exitCode, stdout } = await rig.run(['run', guest('debian13'), ...PATIENTLY, '--cmd', command]);
  const [version, state, ...journal] = stdout.text.split('\n');
  expect(version).toMatch(/^OpenSSH_(9\.[89]|\d\d)/);
  expect(state).toBe('running');
  expect(journal.join('\n')).toContain('Server listening on');
  expect(journal.filter((line) => /penalt|maxstartups/i.test(line))).toEqual([]);
  expect(exitCode).toBe(0);
});
