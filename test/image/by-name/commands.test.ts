import { existsSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { disk, holds } from '../../rig/disks.ts';
import { Rig } from '../../rig/rig.ts';
import { SigningKey } from '../../rig/signing-key.ts';
import type { PublishedImage } from '../../rig/vendor-server.ts';
import { VendorServer } from '../../rig/vendor-server.ts';
import { TCG, succeeded } from '../../rig/vms.ts';

const key = new SigningKey();

afterAll(() => key[Symbol.dispose]());

const OLD = '20260601-2480';
const NEW = '20260712-2537';

/** Publishes a build of Debian 13. */
function publish(vendors: VendorServer, build: string): PublishedImage {
  return vendors.publish('debian:13', { build, image: disk('qcow2') });
}

const kept = (build: string): string => `debian%3A13%40${build.replace('-', '%2D')}`;
const lockIn = (rig: Rig): string => readFileSync(join(rig.work, 'Transientfile.lock'), 'utf8');
const project = (more = ''): Record<string, string> => ({
  'Transientfile.toml': `[vms.web]\nimage = "debian:13"\nssh-command = "id -un"\n${more}`,
});

test('run DISTRIBUTION:RELEASE finds, verifies, keeps and boots an image, and logs in as its user', async () => {
  await using vendors = await VendorServer.start(key);
  await using rig = new Rig({ env: vendors.environment });
  const { url } = publish(vendors, NEW);
  const { exitCode, stderr } = await rig.run(['run', 'debian:trixie', ...TCG, '--cmd', 'true']);
  expect(stderr.text).toContain(`Downloading image from '${url}'`);
  expect(exitCode).toBe(0);
  expect(rig.images).toEqual([kept(NEW)]);
  expect(holds(join(rig.backend, kept(NEW)))).toBe(true);
  expect(await succeeded(rig, ['run', 'debian:13', '--ssh', '--plan'])).toContain('as debian');
});

test('a kept build needs no network, under any of its names', async () => {
  await using vendors = await VendorServer.start(key);
  await using rig = new Rig({ env: vendors.environment });
  publish(vendors, NEW);
  await succeeded(rig, ['image', 'pull', 'debian:13']);
  const before = vendors.requested.length;
  for (const name of ['debian:13', 'debian:latest', `debian:13@${NEW}`, 'other,cloud=debian:stable'])
    await succeeded(rig, ['run', name, ...TCG, '--cmd', 'true']);
  const requested = vendors.requested.slice(before);
  // only the image under another name is another file of the backend
  expect(requested).toEqual([expect.stringContaining('.qcow2')]);
  expect(rig.images).toEqual([kept(NEW), `other%40${NEW.replace('-', '%2D')}`]);
  await succeeded(rig, ['image', 'rm', `debian:13@${NEW}`]);
  const later = vendors.requested.length;
  await succeeded(rig, ['run', 'other', ...TCG, '--cmd', 'true']);
  expect(vendors.requested.slice(later)).toEqual([]);
});

test('up pins the build in Transientfile.lock, and uses it from then on', async () => {
  await using vendors = await VendorServer.start(key);
  await using rig = new Rig({ env: vendors.environment });
  publish(vendors, OLD);
  rig.write(project());
  await succeeded(rig, ['up', ...TCG]);
  expect(lockIn(rig)).toContain(`build = "${OLD}"`);
  expect(lockIn(rig)).toContain('url = "https://cloud.debian.org/images/cloud/trixie/');
  const first = lockIn(rig);
  publish(vendors, NEW);
  await succeeded(rig, ['up', ...TCG, '--locked']);
  expect(lockIn(rig)).toBe(first);
  expect(rig.images).toEqual([kept(OLD)]);
  const plan = await succeeded(rig, ['plan']);
  expect(plan).toContain(`debian:13@${OLD}`);
  expect(await succeeded(rig, ['image', 'update'])).toBe(`debian:13: ${OLD} → ${NEW}\n`);
  expect(await succeeded(rig, ['image', 'update', 'debian:trixie'])).toBe(`debian:13: ${NEW} (unchanged)\n`);
  await succeeded(rig, ['up', ...TCG, '--locked']);
  expect(rig.images).toEqual([kept(OLD), kept(NEW)]);
});

test('--locked refuses to pin a build, and plan asks no network', async () => {
  await using vendors = await VendorServer.start(key);
  await using rig = new Rig({ env: vendors.environment });
  publish(vendors, NEW);
  rig.write(project());
  const locked = await rig.run(['up', '--locked', ...TCG]);
  expect(locked.exitCode).toBe(1);
  expect(locked.stderr.text).toContain('does not pin the build of image "debian:13"');
  expect(await succeeded(rig, ['plan'])).toContain('Resolve image debian:13');
  expect(vendors.requested).toEqual([]);
  expect(existsSync(join(rig.work, 'Transientfile.lock'))).toBe(false);
});

test('a project without a pin uses the newest build that the backend keeps', async () => {
  await using vendors = await VendorServer.start(key);
  await using rig = new Rig({ env: vendors.environment });
  for (const build of [OLD, NEW]) {
    publish(vendors, build);
    await succeeded(rig, ['image', 'pull', `debian:13@${build}`]);
  }
  const before = vendors.requested.length;
  rig.write(project());
  await succeeded(rig, ['up', ...TCG]);
  expect(lockIn(rig)).toContain(`build = "${NEW}"`);
  expect(vendors.requested.slice(before)).toEqual([]);
});

test('a build that has vanished names the newest one and the command that moves the pin', async () => {
  await using vendors = await VendorServer.start(key);
  await using rig = new Rig({ env: vendors.environment });
  publish(vendors, OLD);
  rig.write(project());
  await succeeded(rig, ['image', 'update']);
  vendors.withdraw('debian:13', OLD);
  publish(vendors, NEW);
  const gone = await rig.run(['up', ...TCG]);
  expect(gone.exitCode).toBe(1);
  expect(gone.stderr.text).toContain(
    `pinned to build ${OLD}, which its vendor no longer offers; the newest is ${NEW}`,
  );
  expect(gone.stderr.text).toContain('transient image update debian:13');
});

test('a named VM keeps its disk when the pin moves', async () => {
  await using vendors = await VendorServer.start(key);
  await using rig = new Rig({ env: vendors.environment });
  publish(vendors, OLD);
  rig.write(project('persistent = true\n'));
  await succeeded(rig, ['up', ...TCG]);
  publish(vendors, NEW);
  await succeeded(rig, ['image', 'update']);
  const again = await rig.run(['up', ...TCG]);
  expect(again.exitCode).toBe(0);
  expect(again.stderr.text).toContain(`was created from image 'debian:13@${OLD}'`);
  expect(rig.images).toEqual([kept(OLD)]);
  await succeeded(rig, ['start', 'work-web', ...TCG, '--cmd', 'true']);
});

test('an HTML page, a wrong checksum and an unknown name are told', async () => {
  await using vendors = await VendorServer.start(key);
  await using rig = new Rig({ env: vendors.environment });
  const { url } = publish(vendors, NEW);
  vendors.http.serve(new URL(url).pathname, Buffer.from('<!DOCTYPE html><title>Sign in</title>'));
  expect((await rig.pull('debian:13')).stderr.text).toContain('is an HTML page, not an image');
  vendors.http.serve(new URL(url).pathname, disk('qcow2', 2));
  expect((await rig.pull('debian:13')).stderr.text).toContain('checksum mismatch');
  expect(rig.images).toEqual([]);
  expect((await rig.pull('debain:13')).stderr.text).toContain('did you mean "debian:13"?');
  expect((await rig.pull('debian:31')).stderr.text).toContain('Debian has no release "31"');
  rig.write({ 'Transientfile.toml': '[vms.a]\nimage = "debian:tixie"\n' });
  const file = await rig.run(['plan']);
  expect(file.stderr.text).toContain('Transientfile.toml:2:9');
  expect(file.stderr.text).toContain('did you mean "debian:trixie"?');
});

test('an image of the backend with the name of one of the catalogue is used as it is', async () => {
  await using vendors = await VendorServer.start(key);
  await using rig = new Rig({ env: vendors.environment });
  rig.stored('debian:13');
  await succeeded(rig, ['run', 'debian:13', ...TCG, '--cmd', 'true']);
  expect(vendors.requested).toEqual([]);
});

test('image prune removes what no VM, lock file or recent run uses', async () => {
  await using vendors = await VendorServer.start(key);
  await using rig = new Rig({ env: vendors.environment });
  for (const build of [OLD, NEW]) {
    publish(vendors, build);
    await succeeded(rig, ['image', 'pull', `debian:13@${build}`]);
  }
  rig.stored('mine');
  expect((await rig.run(['image', 'prune'])).stderr.text).toBe('Nothing to remove\n');
  for (const build of [OLD, NEW]) {
    const long = new Date(Date.now() - 40 * 24 * 3600 * 1000);
    utimesSync(join(rig.backend, '.origin', `${kept(build)}.json`), long, long);
  }
  await succeeded(rig, ['create', `debian:13@${OLD}`, '--name', 'old']);
  for (const build of [OLD, NEW]) {
    const long = new Date(Date.now() - 40 * 24 * 3600 * 1000);
    utimesSync(join(rig.backend, '.origin', `${kept(build)}.json`), long, long);
  }
  const pruned = await succeeded(rig, ['image', 'prune']);
  expect(pruned).toMatch(new RegExp(`^Removed debian:13@${NEW} \\(.*\\)\nFreed .*\n$`));
  expect(rig.images).toEqual([kept(OLD), 'mine']);
});

test('a lock file that is not one is told with its place', async () => {
  await using rig = new Rig();
  rig.write({ ...project(), 'Transientfile.lock': '' });
  writeFileSync(join(rig.work, 'Transientfile.lock'), 'version = 2\n');
  const newer = await rig.run(['up', ...TCG]);
  expect(newer.stderr.text).toContain('the lock file has version 2, but this program knows only version 1');
  rig.write({ 'Transientfile.lock': 'version = 1\n[[image]]\nname = "debian:13"\nurl = "x"\n' });
  const broken = await rig.run(['up', ...TCG]);
  expect(broken.stderr.text).toContain('Transientfile.lock');
  expect(broken.stderr.text).toContain('must be an http or https URL');
});

test('a detached project pins its builds once, and is not restarted for that', async () => {
  await using vendors = await VendorServer.start(key);
  await using rig = new Rig({ env: vendors.environment });
  publish(vendors, NEW);
  rig.write({ 'Transientfile.toml': '[vms.web]\nimage = "debian:13"\n' });
  await succeeded(rig, ['up', '-d', ...TCG]);
  expect((await rig.run(['up', '-d', ...TCG])).stderr.text).toContain('Nothing to do');
  await succeeded(rig, ['down']);
  expect(lockIn(rig)).toContain(`build = "${NEW}"`);
});

test('up --watch pins builds before it runs anything, and with --plan asks no network', async () => {
  await using vendors = await VendorServer.start(key);
  await using rig = new Rig({ env: vendors.environment });
  publish(vendors, NEW);
  rig.write(project());
  expect(await succeeded(rig, ['up', '--watch', '--plan'])).toContain('Resolve image debian:13');
  expect(vendors.requested).toEqual([]);
  const up = rig.start(['up', '--watch', ...TCG]);
  await up.waitFor(/Watching for changes/);
  expect(rig.images).toEqual([kept(NEW)]);
  up.signal('SIGINT');
  await up.ended;
});
