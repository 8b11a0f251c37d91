import { describe, expect, test } from 'vitest';
import { buildIn, filled, unknownPlaceholders, wordsOfBuild } from '../../src/catalog/template.ts';

describe('a template', () => {
  test('is filled in', () => {
    expect(filled('{base}{release}/{build}', { base: 'https://example.org/', release: '13' })).toBe(
      'https://example.org/13/{build}',
    );
  });

  test('has placeholders that are known later', () => {
    expect(unknownPlaceholders('{base}{codenam}{build-head}{image}', { base: '' })).toEqual(['codenam']);
  });

  test('has the parts of a build', () => {
    expect(filled('{build}/{build-head}/{build-tail}', wordsOfBuild('9.8-20260526.0'))).toBe(
      '9.8-20260526.0/9.8/20260526.0',
    );
    expect(filled('{build-head}', wordsOfBuild('20260526'))).toBe('20260526');
  });
});

const ALMA = 'AlmaLinux-9-GenericCloud-{build}.x86_64.qcow2';
const ALPINE = 'nocloud_alpine-{build-head}-x86_64-bios-cloudinit-{build-tail}.qcow2';

test.each([
  [ALMA, 'AlmaLinux-9-GenericCloud-9.8-20260526.x86_64.qcow2', '9.8-20260526'],
  [ALMA, 'AlmaLinux-9-GenericCloud-ext4-9.8-20260526.x86_64.qcow2', undefined],
  [ALMA, 'AlmaLinux-9-GenericCloud-latest.x86_64.qcow2', undefined],
  [ALMA, 'AlmaLinux-9-GenericCloud-9.8-20260526.x86_64.qcow2.sig', undefined],
  [ALMA, 'AlmaLinux-9-GenericCloud-9.8-20260526xx86_64.qcow2', undefined],
  [ALMA, 'AlmaLinux-9-GenericCloud-9/../8.x86_64.qcow2', undefined],
  [ALPINE, 'nocloud_alpine-3.22.10-x86_64-bios-cloudinit-r0.qcow2', '3.22.10-r0'],
  [ALPINE, 'nocloud_alpine-3.22.10-x86_64-bios-cloudinit-metal-r0.qcow2', undefined],
  [ALPINE, 'nocloud_alpine-3.22.10-x86_64-uefi-cloudinit-r0.qcow2', undefined],
  ['v{build}/', 'v20260915.100000/', '20260915.100000'],
  ['v{build}/', 'latest/', undefined],
  ['{build}/a-{build}.img', '1.2/a-1.2.img', '1.2'],
  ['{build}/a-{build}.img', '1.2/a-1.3.img', undefined],
])('%s describes %s with the build %s', (template, name, build) => {
  expect(buildIn(name, template)).toBe(build);
});
