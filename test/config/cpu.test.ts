import { expect, test } from 'vitest';
import { emulatedCpuOf, lacksLevel } from '../../src/config/cpu.ts';

test.each([
  ['qemu64', 'x86-64-v2', true],
  ['qemu64,+sse4.2', 'x86-64-v2', true],
  ['Penryn-v1', 'x86-64-v2', true],
  ['Nehalem', 'x86-64-v2', false],
  ['Nehalem-IBRS', 'x86-64-v3', true],
  ['IvyBridge-v2', 'x86-64-v3', true],
  ['Haswell-noTSX', 'x86-64-v3', false],
  ['EPYC', 'x86-64-v3', false],
  ['max', 'x86-64-v3', false],
  ['qemu64', undefined, false],
] as const)('%s lacks %s: %s', (model, level, lacks) => {
  expect(lacksLevel(model, level)).toBe(lacks);
});

test("QEMU's default is for images that are known to boot on every processor", () => {
  expect(emulatedCpuOf({})).toBe('default');
  expect(emulatedCpuOf({ cpuLevel: 'x86-64-v2' })).toBe('max');
  expect(emulatedCpuOf(undefined)).toBe('max');
});
