import { expect, test } from 'vitest';
import { cloudInitLines, seedFailure } from '../../src/guest/cloud-init-log.ts';

const KERNEL = [
  '[    0.000000] Command line: root=LABEL=root console=ttyS0 cloud-init=enabled',
  '[    1.234567] sd 0:0:0:0: [sda] Attached SCSI disk',
];
const LOGIN = 'debian login:';
const RUNS = "[   12.3] cloud-init[321]: Cloud-init v. 22.4.2 running 'init-local'";
const NO_DATASOURCE =
  '[   50.1] cloud-init[500]: Cloud-init v. 22.4.2 finished. Datasource DataSourceNone.  Up 50.07 seconds';

test.each([
  ['a guest that boots still', KERNEL, false, undefined],
  ['a guest that has booted without a line of it', [...KERNEL, LOGIN], false, 'no-cloud-init'],
  ['a guest that answers without a line of it', KERNEL, true, 'no-cloud-init'],
  [
    'a guest with a target of systemd',
    [...KERNEL, '[  OK  ] Reached target multi-user.target'],
    false,
    'no-cloud-init',
  ],
  ['a guest whose console is silent', [], true, undefined],
  ['a guest in which it runs', [...KERNEL, RUNS, LOGIN], true, undefined],
  ['a guest of FreeBSD', [...KERNEL, 'nuageinit: Invalid network-config', LOGIN], true, undefined],
  ['a guest in which it found nothing', [...KERNEL, RUNS, NO_DATASOURCE, LOGIN], true, 'no-datasource'],
] as const)('%s', (_name, lines, hasBooted, failure) => {
  expect(seedFailure(lines, hasBooted)).toBe(failure);
});

test('its lines, and those of systemd about its services, are found among others', () => {
  const failed = '[FAILED] Failed to start cloud-init.service - Initial cloud-init job.';
  const keys = 'ci-info: no authorized SSH keys fingerprints found for user ada.';
  const border = 'ci-info: +--------+------+';
  const lines = [...KERNEL, RUNS, border, failed, '[FAILED] Failed to start foo.service', keys, LOGIN];
  expect(cloudInitLines(lines, [])).toEqual([RUNS, failed, keys]);
  expect(cloudInitLines(lines, [keys, LOGIN])).toEqual([RUNS, failed]);
});
