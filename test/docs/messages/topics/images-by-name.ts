import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { disk } from '../../../rig/disks.ts';
import type { PublishedImage } from '../../../rig/vendor-server.ts';
import { VendorServer } from '../../../rig/vendor-server.ts';
import type { Fixture } from '../fixture.ts';
import type { Topic } from '../scenario.ts';

const DEBIAN = 'https://cloud.debian.org';
const INDEX = `${DEBIAN}/images/cloud/trixie/latest/debian-13-genericcloud-amd64.json`;
const UBUNTU = 'https://cloud-images.ubuntu.com';
const ARCH = 'https://geo.mirror.pkgbuild.com';
const CATALOG = '/home/ada/.config/transient/catalog';
const [OLD, NEW] = ['20260601-2480', '20260712-2537'];
const WEB = '[vms.web]\nimage = "debian:13"\nssh-command = "make check"\n';
const PAGE = '<!DOCTYPE html><title>Sign in to this network</title>';

const BROKEN_LOCK = `version = 1

[[image]]
name = "debian:13"
architecture = "x86_64"
build = "the newest"
url = "/srv/debian.qcow2"
digest = "md5:d41d8cd98f00b204e9800998ecf8427e"
date = "today"
`;

/** A distribution of one's own; `more` are keys of its resolver. */
function acme(more = '', keys = ''): string {
  return `title = "Acme Linux"
user = "acme"
${keys}
[architectures]
aarch64 = "arm64"

[resolver]
kind = "checksum-of-file"
base = "https://images.example.org/acme/"
image = "{base}{release}.qcow2"
${more}
[[variants]]
name = "server"

[[releases]]
name = "1"
`;
}

/** Vendors that are asked instead of the real ones, and shown as those. */
async function vendorsFor(fixture: Fixture): Promise<VendorServer> {
  const vendors = await VendorServer.start();
  fixture.afterwards(() => vendors[Symbol.asyncDispose]());
  cpSync(join(vendors.configuration, 'transient'), fixture.place('/home/ada/.config/transient'), {
    recursive: true,
  });
  fixture.shows('D2EB44626FDDC30B513D5BB71A5D6C4C7DB87C81', vendors.key.fingerprint);
  for (const site of [DEBIAN, UBUNTU, ARCH]) fixture.shows(site, vendors.addressOf(site).replace(/\/$/, ''));
  return vendors;
}

const debian = (vendors: VendorServer, build: string): PublishedImage =>
  vendors.publish('debian:13', { build, image: disk('qcow2') });

export const imagesByName: Topic = {
  title: 'Images by name',
  intro:
    '[Images by name](images.md#images-by-name) come from the vendors in the catalogue: `transient image search`.',
  scenarios: [
    {
      form: 'there is no image "NAME" in the backend or the catalogue',
      typed: ['transient run debain:13'],
    },
    {
      form: 'the catalogue has no distribution "NAME"',
      typed: ['transient image pull base,cloud=debain:13'],
    },
    {
      form: 'DISTRIBUTION has no release "NAME" in the catalogue',
      files: { 'Transientfile.toml': '[vms.web]\nimage = "debian:tixie"\n' },
      typed: ['transient up'],
    },
    {
      form: 'there is no image NAME for ARCHITECTURE',
      files: { [`${CATALOG}/acme.toml`]: acme() },
      typed: ['transient run acme:1'],
    },
    {
      form: 'there is no image NAME for ARCHITECTURE',
      when: 'A variant.',
      files: { [`${CATALOG}/acme.toml`]: acme() },
      typed: ['transient run acme:1-server'],
    },
    {
      form: 'resolver.KEY has an unknown placeholder {NAME}',
      files: {
        [`${CATALOG}/acme.toml`]: acme()
          .replace('aarch64 = "arm64"', 'x86_64 = "{nmae}"')
          .replace('{release}.qcow2', '{nmae}.qcow2'),
      },
      typed: ['transient image search acme'],
    },
    {
      form: 'a signature needs all of "keys", "fingerprints", and "checksums" and "signature" of [resolver]',
      files: { [`${CATALOG}/acme.toml`]: acme('', 'keys = ["acme.asc"]') },
      typed: ['transient image search acme'],
    },
    {
      form: 'the name of the file is not that of a distribution',
      files: { [`${CATALOG}/Acme.toml`]: acme() },
      typed: ['transient image search acme'],
    },
    {
      form: 'cannot read the directory PATH: REASON',
      prepare: (fixture) => {
        fixture.directory(CATALOG);
        fixture.closed(CATALOG);
      },
      typed: ['transient image search'],
    },
    {
      form: 'the address of a mirror must be an http or https URL',
      typed: ['TRANSIENT_MIRROR_DEBIAN=mirror.example.org transient image pull debian:13'],
    },
    {
      form: 'FILE does not pin the build of image "NAME"',
      files: { 'Transientfile.toml': WEB },
      typed: ['transient up --locked'],
    },
    {
      form: 'the lock file has version NUMBER, but this program knows only version NUMBER',
      files: { 'Transientfile.toml': WEB, 'Transientfile.lock': 'version = 2\n' },
      typed: ['transient up'],
    },
    {
      form: 'KEY of item NUMBER of image must …',
      files: { 'Transientfile.toml': WEB, 'Transientfile.lock': BROKEN_LOCK },
      typed: ['transient up'],
    },
    {
      form: "cannot write FILE, which pins the build of image 'NAME': REASON",
      files: { 'Transientfile.toml': WEB },
      prepare: async (fixture) => {
        debian(await vendorsFor(fixture), NEW);
        fixture.readOnly('.');
      },
      typed: ['transient up'],
    },
    {
      form: "image 'NAME' is pinned to build BUILD, which its vendor no longer offers; the newest is BUILD",
      files: { 'Transientfile.toml': WEB },
      prepare: async (fixture) => {
        const vendors = await vendorsFor(fixture);
        debian(vendors, OLD);
        await fixture.run('transient image update');
        vendors.withdraw('debian:13', OLD);
        debian(vendors, NEW);
      },
      typed: ['transient up'],
    },
    {
      form: 'the vendor has no build BUILD of NAME (any more); the newest is BUILD',
      prepare: async (fixture) => void debian(await vendorsFor(fixture), NEW),
      typed: [`transient run debian:13@${OLD}`],
    },
    {
      form: 'the vendor offers no image of NAME for ARCHITECTURE at URL',
      prepare: async (fixture) => (await vendorsFor(fixture)).replace(INDEX, '{ "items": [] }'),
      typed: ['transient run debian:13'],
    },
    {
      form: 'URL is a web page, not DOCUMENT',
      prepare: async (fixture) => (await vendorsFor(fixture)).replace(INDEX, PAGE),
      typed: ['transient run debian:13'],
    },
    {
      form: 'URL does not have the form of DOCUMENT',
      prepare: async (fixture) => (await vendorsFor(fixture)).replace(INDEX, '{}'),
      typed: ['transient run debian:13'],
    },
    {
      form: 'URL is an HTML page, not an image',
      prepare: async (fixture) => {
        const vendors = await vendorsFor(fixture);
        const { url } = debian(vendors, NEW);
        vendors.http.serve(new URL(url).pathname, Buffer.from(PAGE));
      },
      typed: ['transient run debian:13'],
    },
    {
      form: 'the vendor has no checksum for build BUILD of NAME',
      prepare: async (fixture) => {
        const vendors = await vendorsFor(fixture);
        const { url } = vendors.publish('arch:rolling', { build: '20260715.1', image: disk('qcow2') });
        vendors.http.serve(`${new URL(url).pathname}.SHA256`, { statuses: Array<number>(9).fill(404) });
      },
      typed: ['transient run arch:rolling'],
    },
    {
      form: 'URL has two different checksums for FILE',
      prepare: async (fixture) => {
        const vendors = await vendorsFor(fixture);
        const { url, sha256 } = vendors.publish('arch:rolling', {
          build: '20260715.1',
          image: disk('qcow2'),
        });
        const { pathname } = new URL(url);
        const name = pathname.split('/').at(-1) ?? '';
        const sums = `${sha256}  ${name}\n${'0'.repeat(64)}  ${name}\n`;
        vendors.http.serve(`${pathname}.SHA256`, Buffer.from(sums));
      },
      typed: ['transient run arch:rolling'],
    },
    {
      form: 'the vendor signs its checksums, but there is no signature at URL',
      prepare: async (fixture) => {
        const vendors = await vendorsFor(fixture);
        const { url } = vendors.publish('ubuntu:24.04', { build: '20260714', image: disk('qcow2') });
        const signature = new URL('SHA256SUMS.gpg', url).pathname;
        vendors.http.serve(signature, { statuses: Array<number>(9).fill(404) });
      },
      typed: ['transient run ubuntu:24.04'],
    },
    {
      form: 'the signature of URL is not valid',
      prepare: async (fixture) => {
        const vendors = await vendorsFor(fixture);
        const { url, sha256 } = vendors.publish('ubuntu:24.04', { build: '20260714', image: disk('qcow2') });
        vendors.http.serve(new URL('SHA256SUMS', url).pathname, Buffer.from(`${sha256} *other.img\n`));
      },
      typed: ['transient run ubuntu:24.04'],
    },
    {
      form: 'image "NAME" needs a processor of level LEVEL, which MODEL is not',
      files: { 'Transientfile.toml': '[vms.web]\nimage = "rocky:10"\ncpu = "IvyBridge"\n' },
      typed: ['transient up'],
    },
    {
      form: 'the Transientfile uses no image "NAME" whose build can be updated',
      files: { 'Transientfile.toml': WEB },
      typed: ['transient image update debian:12'],
    },
    {
      form: 'image "NAME" does not come from the catalogue, or names its build',
      typed: ['transient image update base'],
    },
    {
      form: '--days must be a whole number, got VALUE',
      typed: ['transient image prune --days soon'],
    },
  ],
};
