import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { Catalog } from '../../../src/catalog/catalog.ts';
import type { VendorImage } from '../../../src/image/vendor/resolve.ts';
import { resolveVendorImage } from '../../../src/image/vendor/resolve.ts';
import { SigningKey } from '../../rig/signing-key.ts';
import { VendorServer } from '../../rig/vendor-server.ts';

const DEBIAN = 'https://cloud.debian.org/images/cloud/trixie/latest/debian-13-genericcloud-amd64.json';
const UBUNTU = 'https://cloud-images.ubuntu.com/releases/streams/v1/com.ubuntu.cloud:released:download.json';
const FEDORA = 'https://fedoraproject.org/releases.json';

let key: SigningKey;
let vendors: VendorServer;

beforeAll(() => {
  key = new SigningKey();
});

afterAll(() => key[Symbol.dispose]());

beforeEach(async () => {
  vendors = await VendorServer.start(key);
  vi.stubEnv('TRANSIENT_HTTP_RETRY_DELAY', '0.01');
  vi.stubEnv('XDG_CONFIG_HOME', vendors.configuration);
  vendors.publish('debian:13', { build: '20260712-2537', image: Buffer.from('debian') });
  vendors.publish('ubuntu:24.04', { build: '20260601', image: Buffer.from('ubuntu') });
  vendors.publish('fedora:43', { build: '1.6', image: Buffer.from('fedora') });
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await vendors[Symbol.asyncDispose]();
});

async function resolved(name: string): Promise<VendorImage> {
  const image = Catalog.open(process.env).find(name, 'x86_64');
  if (!image.ok) throw new Error(name);
  const ignore = (): void => undefined;
  const { signal } = new AbortController();
  return resolveVendorImage(
    image.value,
    { allowUnverified: false },
    { signal, progress: ignore, note: ignore, warn: ignore },
  );
}

function change(url: string, from: string | RegExp, to: string): void {
  const text = vendors.textAt(url);
  const changed = text.replaceAll(from, to);
  expect(changed).not.toBe(text);
  vendors.replace(url, changed);
}

describe.each([
  ['debian:13', DEBIAN],
  ['ubuntu:24.04', UBUNTU],
  ['fedora:43', FEDORA],
])('the index of %s', (name, url) => {
  test.each([
    '',
    '{',
    'null',
    '[]',
    '{}',
    '"text"',
    '1',
    '{"items": {}}',
    '{"products": []}',
    '[null, 1, {}]',
  ])('is %s', async (text) => {
    vendors.replace(url, text);
    await expect(resolved(name)).rejects.toThrow(/does not have the form of|the vendor offers no image of/);
  });

  test('is too large', async () => {
    vendors.replace(url, ' '.repeat((32 << 20) + 1));
    await expect(resolved(name)).rejects.toThrow(
      'is larger than the 33554432 bytes that are allowed for an index of images',
    );
  });

  test('is missing', async () => {
    vendors.remove(url);
    await expect(resolved(name)).rejects.toThrow(
      `cannot download ${vendors.addressOf(url)}: the server responded with status 404`,
    );
  });
});

describe("Debian's index", () => {
  test.each([
    ['a path that leads up', /"ref": "trixie\//g, '"ref": "../trixie/'],
    ['a path in the middle of which it leads up', /"ref": "trixie\//g, '"ref": "trixie/../../'],
    ['an absolute path', /"ref": "trixie\//g, '"ref": "/trixie/'],
    ['a URL', /"ref": "trixie\//g, '"ref": "https://example.org/trixie/'],
    ['a build that is none', /"20260712-2537"/g, '"../20260712-2537"'],
  ])('has %s', async (_case, from, to) => {
    change(DEBIAN, from, to);
    await expect(resolved('debian:13')).rejects.toThrow('the vendor offers no image of debian:13 for x86_64');
  });

  test.each([
    ['an image of another build', /-2537\.qcow2"/g, '-9999.qcow2"'],
    ['a digest of another kind', /"sha512:/g, '"sha1:'],
    ['a digest that is too short', /"sha512:..../g, '"sha512:'],
  ])('has %s', async (_case, from, to) => {
    change(DEBIAN, from, to);
    await expect(resolved('debian:13')).rejects.toThrow("does not have the form of Debian's index of images");
  });
});

describe("Ubuntu's index", () => {
  test.each([
    ['a path that leads up', '"server/releases/', '"../server/releases/'],
    ['a URL', '"server/releases/', '"https://example.org/'],
  ])('has %s', async (_case, from, to) => {
    change(UBUNTU, from, to);
    await expect(resolved('ubuntu:24.04')).rejects.toThrow('the vendor offers no image of ubuntu:24.04');
  });

  test('has a build that is none', async () => {
    change(UBUNTU, '"20260601"', '"../20260601"');
    await expect(resolved('ubuntu:24.04')).rejects.toThrow(
      'does not have the form of an index of simplestreams',
    );
  });
});

test.each(['file:///etc/', 'ftp://example.org/', 'javascript:'])(
  "Fedora's index has a link to %s",
  async (address) => {
    change(FEDORA, 'https://download.fedoraproject.org/', address);
    await expect(resolved('fedora:43')).rejects.toThrow('the vendor offers no image of fedora:43');
  },
);

test('sizes are those of the index', async () => {
  expect(await resolved('ubuntu:24.04')).toMatchObject({ size: 6 });
  expect(await resolved('fedora:43')).toMatchObject({ size: 6 });
  expect(await resolved('debian:13')).not.toHaveProperty('size');
});

test('a mirror by a variable is used for everything', async () => {
  vi.stubEnv('XDG_CONFIG_HOME', '/nonexistent');
  vi.stubEnv('TRANSIENT_MIRROR_DEBIAN', vendors.addressOf('https://cloud.debian.org/images/cloud/'));
  const { url } = await resolved('debian:13');
  expect(url).toBe(
    'https://cloud.debian.org/images/cloud/trixie/20260712-2537/debian-13-genericcloud-amd64-20260712-2537.qcow2',
  );
  expect(vendors.requested).toEqual([DEBIAN]);
});

test('a mirror that is none', async () => {
  vi.stubEnv('TRANSIENT_MIRROR_DEBIAN', 'mirror');
  await expect(resolved('debian:13')).rejects.toThrow('the address of a mirror must be an http or https URL');
});
