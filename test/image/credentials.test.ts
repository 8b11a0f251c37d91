import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { credentialsIn } from '../../src/image/sources/netrc.ts';
import { withoutPasswords } from '../../src/options/password.ts';
import { disk } from '../rig/disks.ts';
import { errorsIn } from '../rig/errors.ts';
import { HttpServer } from '../rig/http-server.ts';
import { catalogPath, libvirt, libvirtBox, publish } from '../rig/registry.ts';
import { Rig } from '../rig/rig.ts';
import { makeCertificate } from '../rig/tls.ts';

const IMAGE = disk('qcow2');
const ANN = basic('ann:s3cret');

describe('the name and password of an address', () => {
  test('are sent, and neither printed nor stored', async () => {
    await using rig = new Rig();
    await using server = await HttpServer.start();
    const url = withUser(server.serve('/disk', IMAGE));
    const first = await rig.run(['-vv', 'run', `disk,http=${url}`, '--name', 'vm', '--cmd', 'true']);
    const second = await rig.pull(`disk,http=${url}`);
    const other = await rig.pull(`disk,http=${url}2`);
    expect([first.exitCode, second.exitCode, other.exitCode]).toEqual([0, 0, 1]);
    expect(server.requests.map(({ headers }) => headers.authorization)).toEqual([ANN]);
    expect(first.stderr.text).toContain('http://ann:***@127.0.0.1');
    for (const { stderr, stdout } of [first, second, other])
      expect(stderr.text + stdout.text).not.toContain('s3cret');
    expect(textsBelow(rig.root).filter(([, text]) => text.includes('s3cret'))).toEqual([]);
  });

  test('are not shown by a plan or a report, nor where the file is wrong', async () => {
    await using rig = new Rig({ resumable: true });
    await using server = await HttpServer.start();
    const url = withUser(server.url('/none'));
    const file = (rest: string): string =>
      `[images.disk]\nsource = "http=${url}"${rest}\n\n[vms.web]\nimage = "disk"\nssh-command = "true"\n`;
    rig.write({ 'Transientfile.toml': file('') });
    const reports = ['--report', 'json=r.json', '--report', 'junit=r.xml'];
    const ended = [
      await rig.run(['plan']),
      await rig.run(['plan', '--json']),
      await rig.run(['up', ...reports]),
    ];
    rig.write({ 'Transientfile.toml': file(' +') });
    ended.push(await rig.run(['plan']));
    expect(ended.map(({ exitCode }) => exitCode)).toEqual([0, 0, 1, 1]);
    const shown = ended.map(({ stdout, stderr }) => stdout.text + stderr.text);
    expect(shown.map((text) => /:\*{3,}@127/.test(text))).toEqual([true, true, true, true]);
    expect(shown.filter((text) => text.includes('s3cret'))).toEqual([]);
    for (const report of ['r.json', 'r.xml'])
      expect(readFileSync(join(rig.work, report), 'utf8')).not.toContain('s3cret');
  });

  test('are not sent to another server after a redirect', async () => {
    await using rig = new Rig();
    await using server = await HttpServer.start();
    await using other = await HttpServer.start();
    const url = withUser(server.serve('/one', { redirect: '/two' }));
    server.serve('/two', { redirect: other.serve('/disk', IMAGE) });
    expect((await rig.pull(`disk,http=${url}`)).exitCode).toBe(0);
    expect(server.requests.map(({ headers }) => headers.authorization)).toEqual([ANN, ANN]);
    expect(other.requests.map(({ headers }) => headers.authorization)).toEqual([undefined]);
  });

  test('of a catalogue are sent for its boxes on the same server', async () => {
    await using rig = new Rig();
    await using server = await HttpServer.start();
    publish(server, 'user/box', { '1.0': [libvirt()] });
    const url = withUser(server.url(catalogPath('user/box')));
    expect((await rig.pull(`disk,vagrant=${url}:1.0`)).exitCode).toBe(0);
    expect(new Set(server.requests.map(({ headers }) => headers.authorization))).toEqual(new Set([ANN]));
    expect(server.requests.length).toBeGreaterThan(1);
  });
});

describe('.netrc', () => {
  const NETRC = 'machine 127.0.0.1\n  login ann\n  password s3cret\ndefault login x password y\n';

  test.for<[string, string, NodeJS.ProcessEnv]>([
    ['in the home directory', '../home/.netrc', {}],
    ['by its name in NETRC', 'secrets', { NETRC: './secrets' }],
  ])('%s is read', async ([, path, env]) => {
    await using rig = new Rig({ env });
    await using server = await HttpServer.start();
    rig.write({ [path]: NETRC });
    expect((await rig.pull(`disk,http=${server.serve('/disk', IMAGE)}`)).exitCode).toBe(0);
    expect(server.requests.map(({ headers }) => headers.authorization)).toEqual([ANN]);
  });

  test('one that is named has to be there', async () => {
    await using rig = new Rig({ env: { NETRC: '/no/such/file' }, resumable: true });
    await using server = await HttpServer.start();
    const { stderr } = await rig.pull(`disk,http=${server.serve('/disk', IMAGE)}`);
    expect(errorsIn(stderr.text)).toEqual([
      expect.stringContaining('NETRC: error: cannot read /no/such/file'),
    ]);
    expect(server.requests).toEqual([]);
  });

  test.for<[string, string | undefined]>([
    ['machine other login x password y\nmachine host login ann password s3cret', 'ann:s3cret'],
    ['machine host login ann account a password "s3 \\"cret"', 'ann:s3 "cret'],
    ['# machine host login x password y\nmachine host password s3cret', ':s3cret'],
    ['macdef init\nmachine host login x password y\n\nmachine host login ann password p', 'ann:p'],
    ['machine host login login password password', 'login:password'],
    ['default login ann password s3cret', undefined],
    ['machine host', ':'],
    ['', undefined],
  ])('%j', ([text, expected]) => {
    const found = credentialsIn(text, 'host');
    expect(found && `${found.name}:${found.password}`).toBe(expected);
  });
});

describe('a redirect from https to http', () => {
  test('is refused, unless a checksum is given', async () => {
    await using rig = new Rig({ resumable: true });
    const certificate = makeCertificate(rig.work);
    await using secure = await HttpServer.start(certificate);
    await using plain = await HttpServer.start();
    const url = secure.serve('/disk', { redirect: plain.serve('/disk', IMAGE) });
    const options = { env: { NODE_EXTRA_CA_CERTS: certificate.path } };
    const { exitCode, stderr } = await rig.run(['image', 'pull', `disk,http=${url}`], options);
    expect(exitCode).toBe(1);
    expect(errorsIn(stderr.text)).toEqual([expect.stringContaining('redirects from https to http')]);
    expect(plain.requests).toEqual([]);
    const sum = execFileSync('sha256sum', { input: IMAGE }).toString().slice(0, 64);
    rig.write({
      'Transientfile.toml': `[images.disk]\nsource = "http=${url}"\nsha256 = "${sum}"\n\n[vms.vm]\nimage = "disk"\nssh-command = "true"\n`,
    });
    expect((await rig.run(['up'], options)).exitCode).toBe(0);
    expect(plain.requests).toHaveLength(1);
  });

  test('with a weak sum is refused', async () => {
    await using rig = new Rig({ resumable: true });
    const certificate = makeCertificate(rig.work);
    await using secure = await HttpServer.start(certificate);
    await using plain = await HttpServer.start();
    const md5 = execFileSync('md5sum', { input: libvirtBox() }).toString().slice(0, 32);
    const box = { name: 'libvirt', url: '/box', checksum: md5, checksum_type: 'md5' };
    const catalog = secure.serveJson('/catalog', { versions: [{ version: '1', providers: [box] }] });
    secure.serve('/box', { redirect: plain.serve('/box', libvirtBox()) });
    const { stderr } = await rig.run(['image', 'pull', `disk,vagrant=${catalog}:1`], {
      env: { NODE_EXTRA_CA_CERTS: certificate.path },
    });
    expect(errorsIn(stderr.text)).toEqual([expect.stringContaining('redirects from https to http')]);
  });
});

test.for([
  ['see http://ann:s3cret@host/a and https://token@host', 'see http://ann:***@host/a and https://***@host'],
  ['http=http://ann:p@ss:w@host:80/a@b', 'http=http://ann:***@host:80/a@b'],
  ["'http://:x@[::1]/'", "'http://:***@[::1]/'"],
  ['http://host/a:b@c', 'http://host/a:b@c'],
  ['ann@host http://host ann@host', 'ann@host http://host ann@host'],
] as const)('%s', ([text, shown]) => {
  expect(withoutPasswords(text)).toBe(shown);
});

function withUser(url: string): string {
  return url.replace('http://', 'http://ann:s3cret@');
}

function basic(text: string): string {
  return `Basic ${Buffer.from(text).toString('base64')}`;
}

/** Every file below a directory, with what is in it. */
function textsBelow(directory: string): [string, string][] {
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
    .map((path) => [path, readFileSync(path, 'latin1')]);
}
