import { createHash } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Architecture } from '../../../src/catalog/catalog.ts';
import { Catalog } from '../../../src/catalog/catalog.ts';
import type { VendorImage } from '../../../src/image/vendor/resolve.ts';
import { Mirrors } from '../../../src/catalog/mirrors.ts';
import { resolveVendorImage } from '../../../src/image/vendor/resolve.ts';
import type { StepContext } from '../../../src/plan/executor.ts';
import { SigningKey } from '../../rig/signing-key.ts';
import { VendorServer } from '../../rig/vendor-server.ts';

/** Two builds of an image of each vendor, the older first, and where the vendor has what leads to them. */
interface Vendor {
  readonly name: string;
  readonly builds: readonly [string, string];
  /** The document that names the newest build, and in which form it is. */
  readonly index: string;
  /** The checksum file of a build, if it is another. */
  readonly checksums?: (build: string) => string;
  readonly signature?: (build: string) => string;
  readonly algorithm: 'sha256' | 'sha512';
}

const debianTree = 'https://cloud.debian.org/images/cloud/trixie/';
const ubuntuTree = 'https://cloud-images.ubuntu.com/releases/';
const almaTree = 'https://repo.almalinux.org/almalinux/';
const rockyTree = 'https://dl.rockylinux.org/pub/rocky/';
const archTree = 'https://geo.mirror.pkgbuild.com/images/';
const alpineTree = 'https://dl-cdn.alpinelinux.org/alpine/v3.22/releases/cloud/';
const amazonTree = 'https://cdn.amazonlinux.com/al2023/os-images/';
const centosTree = 'https://cloud.centos.org/centos/9-stream/x86_64/images/';
const suseFile =
  'https://download.opensuse.org/distribution/leap/16.0/appliances/Leap-16.0-Minimal-VM.x86_64-Cloud.qcow2';

const DATED: readonly Vendor[] = [
  {
    name: 'debian:13',
    builds: ['20260712-999', '20260712-2537'],
    index: `${debianTree}latest/debian-13-genericcloud-amd64.json`,
    checksums: (build) => `${debianTree}${build}/SHA512SUMS`,
    algorithm: 'sha512',
  },
  {
    name: 'ubuntu:24.04',
    builds: ['20260601', '20260601.1'],
    index: `${ubuntuTree}streams/v1/com.ubuntu.cloud:released:download.json`,
    checksums: (build) => `${ubuntuTree}server/releases/noble/release-${build}/SHA256SUMS`,
    signature: (build) => `${ubuntuTree}server/releases/noble/release-${build}/SHA256SUMS.gpg`,
    algorithm: 'sha256',
  },
  {
    name: 'fedora:43',
    builds: ['1.6', '1.10'],
    index: 'https://fedoraproject.org/releases.json',
    checksums: (build) =>
      `https://dl.fedoraproject.org/pub/fedora/linux/releases/43/Cloud/x86_64/images/Fedora-Cloud-43-${build}-x86_64-CHECKSUM`,
    algorithm: 'sha256',
  },
  {
    name: 'centos-stream:9',
    builds: ['20260609.9', '20260609.10'],
    index: `${centosTree}CHECKSUM`,
    algorithm: 'sha256',
  },
  {
    name: 'almalinux:9',
    builds: ['9.9-20260526', '9.10-20261120'],
    index: `${almaTree}9/cloud/x86_64/images/CHECKSUM`,
    signature: () => `${almaTree}9/cloud/x86_64/images/CHECKSUM.asc`,
    algorithm: 'sha256',
  },
  {
    name: 'rocky:10',
    builds: ['10.2-20260525.0', '10.10-20260525.0'],
    index: `${rockyTree}10/images/x86_64/`,
    checksums: (build) =>
      `${rockyTree}${build.split('-')[0] ?? ''}/images/x86_64/Rocky-10-GenericCloud-Base-${build}.x86_64.qcow2.CHECKSUM`,
    algorithm: 'sha256',
  },
  {
    name: 'arch:rolling',
    builds: ['20260915.99999', '20260915.100000'],
    index: archTree,
    checksums: (build) => `${archTree}v${build}/Arch-Linux-x86_64-cloudimg-${build}.qcow2.SHA256`,
    algorithm: 'sha256',
  },
  {
    name: 'alpine:3.22',
    builds: ['3.22.9-r1', '3.22.10-r0'],
    index: alpineTree,
    checksums: (build) => {
      const [version = '', revision = ''] = build.split('-');
      return `${alpineTree}nocloud_alpine-${version}-x86_64-bios-cloudinit-${revision}.qcow2.sha512`;
    },
    algorithm: 'sha512',
  },
  {
    name: 'amazonlinux:2023',
    builds: ['2023.9.20260915.0', '2023.10.20260715.0'],
    index: `${amazonTree}latest/kvm/SHA256SUMS`,
    algorithm: 'sha256',
  },
];

const UNDATED = [
  { name: 'opensuse:16.0', checksums: `${suseFile}.sha256`, algorithm: 'sha256' },
  {
    name: 'freebsd:15.1',
    checksums: 'https://download.freebsd.org/releases/VM-IMAGES/15.1-RELEASE/amd64/Latest/CHECKSUM.SHA512',
    algorithm: 'sha512',
  },
] as const;

const OLD = Buffer.from('the old image');
const NEW = Buffer.from('the new image');
const WEB_PAGE = '<!DOCTYPE html>\n<html><head><title>Log in</title></head><body></body></html>\n';

let vendors: VendorServer;
let key: SigningKey;

beforeAll(() => {
  key = new SigningKey();
});

afterAll(() => key[Symbol.dispose]());

beforeEach(async () => {
  vendors = await VendorServer.start(key);
  vi.stubEnv('TRANSIENT_HTTP_RETRY_DELAY', '0.01');
  for (const [name, value] of Object.entries(vendors.environment)) vi.stubEnv(name, value);
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await vendors[Symbol.asyncDispose]();
});

async function resolved(
  name: string,
  {
    architecture = 'x86_64',
    allowUnverified = false,
  }: { architecture?: Architecture; allowUnverified?: boolean } = {},
): Promise<VendorImage> {
  const image = Catalog.open(process.env).find(name, architecture);
  if (!image.ok) throw new Error(image.problems.map(({ message }) => message).join('\n'));
  const found = await resolveVendorImage(image.value, { allowUnverified }, context());
  const mirrors = Mirrors.open(process.env, image.value);
  if (!mirrors.ok) throw new Error('invalid mirrors');
  // an image is known by its address at the vendor, and fetched from the mirror
  return { ...found, url: mirrors.value.mirrored(found.url) };
}

function context(): StepContext {
  return {
    signal: new AbortController().signal,
    progress: () => undefined,
    note: () => undefined,
    warn: () => undefined,
  };
}

describe.each(DATED)('$name', ({ name, builds: [older, newer], index, checksums, signature, algorithm }) => {
  const isSigned = /^(?:ubuntu|fedora|almalinux)/.test(name);

  test('the newest build', async () => {
    vendors.publish(name, { build: older, image: OLD });
    const { url, [algorithm]: digest } = vendors.publish(name, { build: newer, image: NEW });
    expect(await resolved(name)).toMatchObject({ build: newer, algorithm, digest, isSigned });
    const found = await resolved(name);
    if (!name.startsWith('ubuntu')) expect(found.url).toBe(url);
    expect(await (await fetch(found.url)).text()).toBe(NEW.toString());
  });

  test('a requested build', async () => {
    const { [algorithm]: digest } = vendors.publish(name, { build: older, image: OLD });
    vendors.publish(name, { build: newer, image: NEW });
    const found = await resolved(`${name}@${older}`);
    expect(found).toMatchObject({ build: older, algorithm, digest, isSigned });
    expect(await (await fetch(found.url)).text()).toBe(OLD.toString());
  });

  test('a build by its digest', async () => {
    const { [algorithm]: digest } = vendors.publish(name, { build: newer, image: NEW });
    expect(await resolved(`${name}@${algorithm}:${digest}`)).toMatchObject({ build: newer, digest });
    await expect(resolved(`${name}@sha256:${'0'.repeat(64)}`)).rejects.toThrow(`the newest is ${newer}`);
  });

  test('a build that has vanished', async () => {
    vendors.publish(name, { build: older, image: OLD });
    vendors.publish(name, { build: newer, image: NEW });
    vendors.withdraw(name, older);
    await expect(resolved(`${name}@${older}`)).rejects.toMatchObject({
      problem: {
        reason: 'image',
        message: `the vendor has no build ${older} of ${name} (any more); the newest is ${newer}`,
        hint: `to use the newest one: transient image update ${name}`,
      },
    });
  });

  test('a build that is the latest only', async () => {
    vendors.publish(name, { build: newer, image: NEW });
    await expect(resolved(`${name}@latest`)).rejects.toThrow(`the newest is ${newer}`);
  });

  test('a web page instead of data', async () => {
    vendors.publish(name, { build: newer, image: NEW });
    vendors.replace(index, WEB_PAGE);
    await expect(resolved(name)).rejects.toThrow(/is a web page, not |the vendor offers no image of/);
  });

  test('no checksum', async () => {
    vendors.publish(name, { build: newer, image: NEW });
    const file = checksums?.(newer);
    if (file === undefined || name.startsWith('debian')) return;
    vendors.remove(file);
    await expect(resolved(name)).rejects.toThrow(`the vendor has no checksum for build ${newer} of ${name}`);
    const found = await resolved(name, { allowUnverified: true });
    expect(found).toMatchObject({ build: newer, isSigned: false });
    expect(found).not.toHaveProperty('digest');
  });

  test('two different checksums', async () => {
    vendors.publish(name, { build: newer, image: NEW });
    const file = checksums?.(newer) ?? index;
    if (name.startsWith('alpine') || name.startsWith('debian')) return;
    const text = vendors
      .textAt(file)
      .replace(/-----BEGIN PGP SIGNED MESSAGE-----\nHash: .*\n\n|-----BEGIN PGP SIGNATURE[^]*$/g, '');
    const other = text + text.replaceAll(/[0-9a-f]{64}/g, '1'.repeat(64));
    vendors.replace(file, name.startsWith('fedora') ? key.clearSigned(other) : other);
    if (signature) vendors.replace(signature(newer), key.detached(other));
    await expect(resolved(name)).rejects.toThrow('has two different checksums for');
  });

  test('a wrong checksum', async () => {
    if (!isSigned || name.startsWith('almalinux')) return;
    vendors.publish(name, { build: newer, image: NEW });
    const file = checksums?.(newer) ?? index;
    vendors.replace(
      index,
      vendors.textAt(index).replaceAll(/(sha256":"|sha256": ")[0-9a-f]{64}/g, `$1${'1'.repeat(64)}`),
    );
    await expect(resolved(name)).rejects.toThrow(
      `in ${vendors.addressOf(file)} differs from that in ${vendors.addressOf(index)}`,
    );
  });

  test('a signature of somebody else', async () => {
    if (!isSigned) return;
    vendors.publish(name, { build: newer, image: NEW });
    using stranger = new SigningKey('Stranger <stranger@example.org>');
    const file = checksums?.(newer) ?? index;
    if (signature) vendors.replace(signature(newer), stranger.detached(vendors.textAt(file)));
    else vendors.replace(file, stranger.clearSigned('nothing\n'));
    await expect(resolved(name)).rejects.toThrow(`the signature of ${vendors.addressOf(file)} is not valid`);
  });

  test('a checksum file that was changed after it was signed', async () => {
    if (!isSigned) return;
    vendors.publish(name, { build: newer, image: NEW });
    const file = checksums?.(newer) ?? index;
    vendors.replace(file, vendors.textAt(file).replace(/[0-9a-f]{64}/, '1'.repeat(64)));
    await expect(resolved(name)).rejects.toThrow(`the signature of ${vendors.addressOf(file)} is not valid`);
  });

  test('no signature', async () => {
    if (!isSigned) return;
    vendors.publish(name, { build: newer, image: NEW });
    const file = checksums?.(newer) ?? index;
    if (signature) vendors.remove(signature(newer));
    else
      vendors.replace(
        file,
        `SHA256 (Fedora-Cloud-Base-Generic-43-${newer}.x86_64.qcow2) = ${'1'.repeat(64)}\n`,
      );
    await expect(resolved(name)).rejects.toThrow(
      'the vendor signs its checksums, but there is no signature at',
    );
    await expect(resolved(name, { allowUnverified: true })).rejects.toThrow('there is no signature at');
  });

  test('a build that is published between two requests', async () => {
    const { [algorithm]: oldDigest } = vendors.publish(name, { build: older, image: OLD });
    vendors.afterRequest(index, () => vendors.publish(name, { build: newer, image: NEW }));
    // a signature of the new file does not fit the old one: both are fetched again
    const isRefetched = name.startsWith('almalinux');
    expect(await resolved(name)).toMatchObject(
      isRefetched ? { build: newer } : { build: older, digest: oldDigest },
    );
    expect(await resolved(name)).toMatchObject({ build: newer });
  });

  test('a build that is replaced between two requests', async () => {
    vendors.publish(name, { build: older, image: OLD });
    vendors.afterRequest(index, () => {
      vendors.publish(name, { build: newer, image: NEW });
      vendors.withdraw(name, older);
    });
    const found = await resolved(name);
    // where the index has the checksum, nothing else is requested
    const isInIndex = /^(?:debian|centos|amazon)/.test(name);
    expect(found.build).toBe(isInIndex ? older : newer);
  });
});
describe.each(UNDATED)('$name', ({ name, checksums, algorithm }) => {
  const isSigned = name.startsWith('opensuse');

  test('the build is told by its checksum', async () => {
    vendors.publish(name, { image: OLD });
    const { url, [algorithm]: digest } = vendors.publish(name, { image: NEW });
    const build = digest.slice(0, 12);
    expect(await resolved(name)).toEqual({ url, build, algorithm, digest, isSigned });
    expect(await resolved(`${name}@${build}`)).toMatchObject({ build });
    expect(await resolved(`${name}@${algorithm}:${digest}`)).toMatchObject({ build });
  });

  test('a build that has been replaced', async () => {
    const { [algorithm]: older } = vendors.publish(name, { image: OLD });
    const { [algorithm]: newer } = vendors.publish(name, { image: NEW });
    await expect(resolved(`${name}@${older.slice(0, 12)}`)).rejects.toThrow(
      `the vendor has no build ${older.slice(0, 12)} of ${name} (any more); the newest is ${newer.slice(0, 12)}`,
    );
    await expect(resolved(`${name}@${algorithm}:${older}`)).rejects.toThrow('the newest is');
  });

  test('a web page instead of data', async () => {
    vendors.publish(name, { image: NEW });
    vendors.replace(checksums, WEB_PAGE);
    await expect(resolved(name)).rejects.toThrow(
      `${vendors.addressOf(checksums)} is a web page, not a checksum file`,
    );
  });

  test('no checksum', async () => {
    vendors.publish(name, { image: NEW });
    vendors.remove(checksums);
    await expect(resolved(name)).rejects.toThrow('the vendor has no checksum');
    const found = await resolved(name, { allowUnverified: true });
    expect(found).toMatchObject({ build: 'unverified', isSigned: false });
  });

  test('a build that is published between two requests', async () => {
    const { [algorithm]: older } = vendors.publish(name, { image: OLD });
    vendors.afterRequest(checksums, () => vendors.publish(name, { image: NEW }));
    const { digest } = await resolved(name);
    const newer = createHash(algorithm).update(NEW).digest('hex');
    // a signature of the new file does not fit the old one: both are fetched again
    expect(digest).toBe(isSigned ? newer : older);
  });

  test('a signature of somebody else', async () => {
    if (!isSigned) return;
    vendors.publish(name, { image: NEW });
    using stranger = new SigningKey('Stranger <stranger@example.org>');
    vendors.replace(`${checksums}.asc`, stranger.detached(vendors.textAt(checksums)));
    await expect(resolved(name)).rejects.toThrow(
      `the signature of ${vendors.addressOf(checksums)} is not valid`,
    );
  });
});
