import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { describe, expect, inject, onTestFinished, test, vi } from 'vitest';
import { findingsText } from '../../src/cli/doctor-text.ts';
import type { Finding } from '../../src/doctor/finding.ts';
import { pathWithout } from '../rig/path-without.ts';
import type { Ended } from '../rig/program.ts';
import { Rig } from '../rig/rig.ts';

const NEEDED = ['qemu-system-x86_64', 'qemu-img', 'ssh', 'flock', 'setpriv'];
const USEFUL = ['rsync', 'xz', 'zstd', 'bzip2'];

describe('what is missing', () => {
  test.for(NEEDED)('without %s "up" cannot run, and doctor says so', async (name) => {
    await using rig = new Rig();
    const path = pathWithout(join(rig.root, 'bin'), rig.environment['PATH'] ?? '', name);
    const { exitCode, findings } = await examined(rig, path);
    expect(exitCode).toBe(1);
    const missing = findings.filter(({ state, needed }) => needed && state === 'missing');
    expect(missing.map((one) => one.name)).toEqual([name === 'qemu-system-x86_64' ? 'QEMU' : name]);
    expect(missing[0]?.get?.debian).toMatch(/^apt install \S+$/);
    expect((await up(rig, path)).exitCode).toBe(1);
  });

  test('without what is only useful "up" can run, and doctor says so', async () => {
    await using rig = new Rig();
    const path = pathWithout(join(rig.root, 'bin'), rig.environment['PATH'] ?? '', ...USEFUL);
    const { exitCode, findings } = await examined(rig, path);
    expect(exitCode).toBe(0);
    const missing = findings.filter(({ state }) => state === 'missing').map(({ name }) => name);
    expect(missing).toEqual(expect.arrayContaining(USEFUL));
    const { stdout, stderr } = await up(rig, path);
    expect(stdout.text, stderr.text).toBe('in\n');
  });

  test('a QEMU that does not run is none', async () => {
    await using rig = new Rig();
    const path = pathWithout(join(rig.root, 'bin'), rig.environment['PATH'] ?? '', 'qemu-system-x86_64');
    writeFileSync(join(path, 'qemu-system-x86_64'), '#!/bin/sh\necho "no libfoo.so" >&2\nexit 127\n', {
      mode: 0o755,
    });
    const { exitCode, findings } = await examined(rig, path);
    expect(exitCode).toBe(1);
    expect(findings[0]).toMatchObject({ name: 'QEMU', state: 'missing', needed: true });
    expect(findings[0]?.found).toContain('no libfoo.so');
  });

  test('a backend that is a file is reported, with what the others are', async () => {
    await using rig = new Rig();
    writeFileSync(join(rig.work, 'file'), '');
    const { exitCode, findings } = await examined(rig, undefined, '--image-backend', 'file');
    expect(exitCode).toBe(1);
    expect(stateOf(findings, 'backend')).toBe('missing');
    expect(stateOf(findings, 'VM store')).toBe('ok');
    const below = await examined(rig, undefined, '--image-backend', 'file/below');
    expect(below.exitCode).toBe(1);
  });

  test('a VM store that is a file is in the way of named VMs alone', async () => {
    await using rig = new Rig();
    writeFileSync(rig.vmstore, '');
    const { exitCode, findings } = await examined(rig);
    expect(exitCode).toBe(0);
    expect(stateOf(findings, 'VM store')).toBe('missing');
  });

  test('a run directory that others chose is refused as a run refuses it', async () => {
    await using rig = new Rig();
    mkdirSync(join(rig.work, 'mine'));
    symlinkSync(join(rig.work, 'mine'), join(rig.runtime, 'transient'));
    const { exitCode, findings } = await examined(rig);
    expect(exitCode).toBe(1);
    expect(stateOf(findings, 'run directory')).toBe('missing');
  });
});

describe('what is there', () => {
  test('comes as JSON with its version, its place and what it is for', async () => {
    await using rig = new Rig();
    const { exitCode, findings } = await examined(rig);
    expect(exitCode).toBe(0);
    expect(findings[0]).toMatchObject({ name: 'QEMU', state: 'ok', purpose: 'runs the VMs' });
    expect(findings[0]?.found).toMatch(/^7\.2\.22, .*\/qemu-system-x86_64$/);
    expect(findings.find(({ name }) => name === 'backend')?.free).toBeGreaterThan(0);
    for (const { name, get, hint } of findings) expect(get ?? hint, name).toBeDefined();
  });

  test('no KVM is a warning with its reason, and KVM is none', async () => {
    await using rig = new Rig();
    const { exitCode, findings } = await examined(rig);
    expect(exitCode).toBe(0);
    const { state, found } = findings.find(({ name }) => name === 'KVM') ?? {};
    expect([state, found]).toEqual(
      found === '/dev/kvm' ? ['ok', found] : ['warning', expect.stringMatching(/kvm/)],
    );
  });

  test('is shown to people in aligned columns without colours, on stdout', async () => {
    await using rig = new Rig();
    const { stdout, stderr } = await rig.run(['doctor']);
    expect(stderr.text).toBe('');
    const lines = stdout.text.split('\n');
    const column = lines[0]?.indexOf('WHAT') ?? -1;
    expect(lines[1]?.slice(column)).toMatch(/^QEMU /);
    expect(lines[2]?.slice(column)).toMatch(/^KVM /);
    expect(stdout.text).toMatch(/\ntransient up can run here\.\n$/);
    expect(stdout.text).not.toContain('\x1b');
  });

  test('what helps is printed where something is missing', async () => {
    await using rig = new Rig();
    const path = pathWithout(join(rig.root, 'bin'), rig.environment['PATH'] ?? '', 'ssh');
    const { stdout } = await withPath(rig, path, ['doctor']);
    expect(stdout.text).toContain(
      '  ssh: Debian: apt install openssh-client   Fedora: dnf install openssh-clients   Arch: pacman -S openssh\n',
    );
    expect(stdout.text).toMatch(/\ntransient up cannot run here; missing: ssh\n$/);
  });

  test('nothing is left or made by looking', async () => {
    await using rig = new Rig();
    const { exitCode } = await rig.run(['doctor', '--image-backend', 'not/there', '--vmstore', 'nor/this']);
    expect(exitCode).toBe(0);
    expect((await rig.command(['ls', '-A'])).stdout.text).toBe('');
  });
});

async function examined(
  rig: Rig,
  path = rig.environment['PATH'] ?? '',
  ...flags: readonly string[]
): Promise<{ exitCode: number | null; findings: Finding[] }> {
  const { exitCode, stdout } = await withPath(rig, path, ['doctor', '--json', ...flags]);
  return { exitCode, findings: JSON.parse(stdout.text) as Finding[] };
}

async function up(rig: Rig, path: string): Promise<Ended> {
  const vm = '[vms.a]\nimage = "base,file=./base.qcow2"\naccel = "tcg"\nssh-command = "echo in"\n';
  rig.image('base.qcow2');
  rig.write({ 'Transientfile.toml': vm });
  return withPath(rig, path, ['up']);
}

/** Runs ours with another PATH than the rig itself needs. */
async function withPath(rig: Rig, path: string, args: readonly string[]): Promise<Ended> {
  return rig.command(['env', `PATH=${path}`, process.execPath, inject('binary'), ...args]);
}

function stateOf(findings: readonly Finding[], name: string): string | undefined {
  return findings.find((one) => one.name === name)?.state;
}

test('colours tell what is needed from what is only useful', () => {
  // Node asks these itself before it paints
  vi.stubEnv('NO_COLOR', undefined);
  vi.stubEnv('FORCE_COLOR', '1');
  onTestFinished(() => void vi.unstubAllEnvs());
  const facts = { purpose: 'p', found: 'f' };
  const findings = [
    { ...facts, name: 'a', state: 'ok', needed: true },
    { ...facts, name: 'b', state: 'missing', needed: true },
    { ...facts, name: 'c', state: 'missing', needed: false },
  ] as const;
  const painted = findingsText(findings, false, true).split('\n').slice(1, 4);
  const codes = painted.map((line) => line.split('m', 1)[0]);
  expect(new Set(codes).size).toBe(3);
  expect(stripVTControlCharacters(painted.join('\n'))).toBe(
    findingsText(findings, false, false).split('\n').slice(1, 4).join('\n'),
  );
});
