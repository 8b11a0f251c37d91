import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { rmSync } from 'node:fs';
import { compressed, disk } from '../../../rig/disks.ts';
import { HttpServer } from '../../../rig/http-server.ts';
import { boxPath, catalogPath, libvirt, libvirtBox, publish } from '../../../rig/registry.ts';
import { tar } from '../../../rig/tar.ts';
import { makeCertificate } from '../../../rig/tls.ts';
import type { Fixture } from '../fixture.ts';
import { SERVER } from '../fixture.ts';
import type { Topic } from '../scenario.ts';
import type { Makers } from './broken-images.ts';
import { BROKEN_BOXES, FOREIGN, UNUSABLE_DISKS } from './broken-images.ts';
import { CREATED, base, creatingBy } from './parts.ts';

const BOXES = `VAGRANT_SERVER_URL=${SERVER}`;
/** An address that is never asked for. */
const UNREACHED = 'http://images.example.org/base.qcow2';

const SUM = createHash('sha256').update('another').digest('hex');

export const images: Topic = {
  title: 'Images',
  intro:
    'An image is retrieved once into the backend, `~/.local/share/transient/backend`, and used from there. `transient image ls` lists the images in it.',
  scenarios: [
    {
      form: "Unable to find image 'NAME' in backend, and no source is given for it",
      typed: ['transient run base'],
    },
    {
      form: "Unable to find image 'NAME' in backend, and no source is given for it",
      when: 'A distribution of the [catalogue](images.md#images-by-name) needs a release.',
      typed: ['transient run debian'],
    },
    {
      form: "Unable to find image 'NAME' in backend; as a vagrant box it needs a version",
      typed: ['transient run debian/bookworm64'],
    },
    {
      form: "there is no image 'NAME' in the backend DIRECTORY",
      typed: ['transient image rm base'],
    },
    {
      form: "Backend 'NAME' is in use by 'VM'",
      prepare: base,
      typed: [CREATED, 'transient image rm base'],
    },
    {
      form: "Backend 'NAME' is in use by 'VM'",
      when: 'With `--force`, it is a warning.',
      prepare: base,
      typed: [CREATED, 'transient image rm --force base'],
    },
    {
      form: "An image with the name 'NAME' already exists",
      prepare: (fixture) => fixture.stored('base', 'base-with-web'),
      typed: [CREATED, 'transient commit web base-with-web'],
    },
    {
      form: "the backend DIRECTORY has another image named 'NAME': it came from SOURCE, but SOURCE is requested",
      prepare: twoDisks,
      typed: ['transient image pull base,file=./one.qcow2', 'transient image pull base,file=./two.qcow2'],
      advice: 'To replace the image, remove it with `image rm` first; this is refused while VMs need it.',
    },
    {
      form: "the backend DIRECTORY has another image named 'NAME': its sha256 is SUM, but SUM is requested",
      files: { 'Transientfile.toml': withSum('file=./one.qcow2') },
      prepare: twoDisks,
      typed: ['transient image pull base,file=./one.qcow2', 'transient up'],
    },
    {
      form: 'checksum mismatch for SOURCE: expected sha256 SUM, got SUM',
      files: { 'Transientfile.toml': withSum('file=./one.qcow2') },
      prepare: twoDisks,
      typed: ['transient up'],
      advice:
        'If the file was changed on purpose, put its new checksum into the Transientfile: `sha256sum FILE`.',
    },
    {
      form: 'cannot read the image file PATH: REASON',
      typed: ['transient image pull base,file=./base.qcow2'],
    },
    {
      form: 'cannot read the image file PATH: REASON',
      when: 'A file that can be read only once, or that never ends, cannot be the source of an image.',
      prepare: (fixture) => void execFileSync('mkfifo', [fixture.place('pipe')]),
      typed: ['transient image pull base,file=./pipe'],
    },
    {
      form: 'PATH is not a usable disk image: REASON',
      when: 'The file is not a disk, or not a self-contained one: files of the host to which an image refers would become accessible to the guest.',
      prepare: (fixture) => writeAll(fixture, UNUSABLE_DISKS),
      typed: [`transient image pull ${specsOf(UNUSABLE_DISKS)}`],
      inAnyOrder: true,
      advice: 'Servers often send a web page instead of the file to users who are not logged in.',
    },
    {
      form: 'PATH is not a usable disk image: REASON',
      when: 'The format is recognized, but VMs cannot use it directly.',
      prepare: (fixture) => writeAll(fixture, FOREIGN),
      typed: [`transient image pull ${specsOf(FOREIGN)}`],
      inAnyOrder: true,
    },
    {
      form: 'SOURCE: the box cannot be used: REASON',
      when: 'A Vagrant box is an archive that contains a disk.',
      prepare: (fixture) => writeAll(fixture, BROKEN_BOXES),
      typed: [`transient image pull ${specsOf(BROKEN_BOXES)}`],
      inAnyOrder: true,
    },
    {
      form: 'the box contains NUMBER disks; "NAME" becomes the image, and NAMES ignored',
      when: 'A warning.',
      prepare: (fixture) => fixture.write('two.box', boxOfTwo()),
      typed: ['transient image pull base,file=./two.box'],
    },
    {
      form: "SOURCE: the image's gzip data is corrupt: REASON",
      prepare: (fixture) => fixture.write('base.img.gz', compressed(disk('raw'), 'gzip').subarray(0, 50_000)),
      typed: ['transient image pull base,file=./base.img.gz'],
    },
    {
      form: "SOURCE: decompressing the image's zstd data needs more than a quarter of this host's memory, or more than 2 GB",
      when: 'Compressed files declare how much memory their decompression needs.',
      prepare: (fixture) => fixture.write('base.img.zst', Buffer.from('28b52ffd00f8010000', 'hex')),
      typed: ['transient image pull base,file=./base.img.zst'],
    },
    {
      form: 'SOURCE: the image is larger than the NUMBER GB (NUMBER bytes) that may be filled in DIRECTORY',
      prepare: (fixture) => fixture.serve('/base.qcow2', { content: disk('qcow2'), claims: 10 ** 15 }),
      typed: [`transient image pull base,http=${SERVER}/base.qcow2`],
    },
    {
      form: 'cannot download URL: REASON',
      when: 'The server responds with a status other than 200, or not at all. Temporary failures are retried five times.',
      prepare: async (fixture) => {
        await fixture.serve('/private.qcow2', { statuses: [403] });
        await fixture.serve('/ill.qcow2', { statuses: new Array<number>(9).fill(503) });
        await fixture.serve('/moved.qcow2', { redirect: '/moved.qcow2' });
      },
      typed: [
        `transient image pull gone,http=${SERVER}/gone.qcow2 private,http=${SERVER}/private.qcow2 ill,http=${SERVER}/ill.qcow2 moved,http=${SERVER}/moved.qcow2 nobody,http=http://127.0.0.1:1/base.qcow2`,
      ],
      inAnyOrder: true,
      advice: '`http_proxy`, `https_proxy` and `no_proxy` are respected.',
    },
    {
      form: 'cannot download URL: REASON',
      when: "The server's certificate cannot be verified.",
      prepare: async (fixture) => fixture.shows('https://127.0.0.1:8443', await secureServer(fixture)),
      typed: ['transient image pull base,http=https://127.0.0.1:8443/base.qcow2'],
    },
    {
      form: 'cannot download URL: REASON',
      when: 'The vendor of an image by name cannot be reached, and no build of it is kept.',
      typed: ['TRANSIENT_MIRROR_DEBIAN=http://127.0.0.1:1/ transient run debian:13'],
    },
    {
      form: '"ADDRESS" is not a proxy URL',
      typed: [`http_proxy=proxy:one transient image pull base,http=${UNREACHED}`],
    },
    {
      form: '"ADDRESS" is a SOCKS proxy, but images can be downloaded only through an HTTP proxy',
      typed: [
        `all_proxy=socks5h://ann:s3cret@proxy.example.org:1080 transient image pull base,http=${UNREACHED}`,
      ],
    },
    {
      form: 'cannot read the CA certificates in PATH: REASON',
      typed: [
        'SSL_CERT_FILE=/home/ada/company.pem transient image pull base,http=https://images.example.org/base.qcow2',
      ],
    },
    {
      form: 'cannot read PATH, which may contain passwords for web servers: REASON',
      typed: [`NETRC=/home/ada/netrc transient image pull base,http=${UNREACHED}`],
    },
    {
      form: 'cannot download URL: the connection was lost NUMBER times, and the server cannot resume a download',
      prepare: (fixture) =>
        fixture.serve('/base.qcow2', { content: disk('qcow2'), ranges: false, cut: { after: 1000 } }),
      typed: [`transient image pull base,http=${SERVER}/base.qcow2`],
    },
    {
      form: 'gave up after waiting TIME for PROCESS',
      when: 'Another process is working on the same image, VM or builder VM. The output shows which one; the wait is limited to an hour.',
      prepare: lockedByOther,
      typed: ['transient image pull base,file=./one.qcow2'],
    },
    {
      form: "the vagrant box 'BOX' needs a version",
      typed: ['transient image pull base,vagrant=debian/bookworm64'],
    },
    {
      form: "'NAME' is not a valid vagrant box name",
      typed: ['transient image pull base,vagrant=bookworm64:12.0'],
    },
    {
      form: "there is no vagrant box 'BOX' at URL",
      prepare: async (fixture) => {
        await fixture.server();
      },
      typed: [`${BOXES} transient image pull debian/bookwrm64:12.0`],
    },
    {
      form: "the vagrant box 'BOX' has no version 'VERSION'",
      prepare: publishBoxes,
      typed: [`${BOXES} transient image pull debian/bookworm64:13.0`],
    },
    {
      form: "the vagrant box 'BOX' is not available for QEMU on ARCHITECTURE",
      prepare: publishBoxes,
      typed: [`${BOXES} transient image pull debian/bookworm64:11.0`],
    },
    {
      form: "the checksum of the vagrant box 'BOX' has an unknown type: KIND",
      prepare: publishBoxes,
      typed: [`${BOXES} transient image pull debian/bookworm64:10.0`],
    },
    {
      form: 'the metadata at URL leads to URL, which is not an http or https URL',
      prepare: async (fixture) => {
        const catalog = {
          versions: [{ version: '12.0', providers: [{ name: 'libvirt', url: 'file:///etc/passwd' }] }],
        };
        (await fixture.server()).serveJson(catalogPath('debian/bookworm64'), catalog);
      },
      typed: [`${BOXES} transient image pull debian/bookworm64:12.0`],
    },
    {
      form: 'SOURCE is not the metadata of a vagrant box',
      prepare: async (fixture) => {
        (await fixture.server()).serveJson(catalogPath('debian/bookworm64'), { boxes: [] });
      },
      typed: [`${BOXES} transient image pull debian/bookworm64:12.0`],
    },
    {
      form: 'cannot read the box catalog PATH: REASON',
      typed: ['VAGRANT_SERVER_URL=images.example.org transient image pull debian/bookworm64:12.0'],
    },
    {
      form: 'URL is larger than the NUMBER bytes that are allowed for box metadata',
      prepare: (fixture) => fixture.serve('/base.qcow2', Buffer.alloc((16 << 20) + 1)),
      typed: [`transient image pull base,vagrant=${SERVER}/base.qcow2:12.0`],
    },
    {
      form: 'cannot read the image backend DIRECTORY: REASON',
      prepare: (fixture) => fixture.write('images', ''),
      typed: ['transient image ls --image-backend ./images'],
    },
    {
      form: 'cannot write to the image backend DIRECTORY: REASON',
      prepare: (fixture) => {
        twoDisks(fixture);
        fixture.directory('images');
        fixture.readOnly('images');
      },
      typed: ['transient image pull base,file=./one.qcow2 --image-backend ./images'],
    },
    {
      form: "image 'NAME' of the backend cannot be used: REASON (PATH)",
      when: 'Its file was truncated or replaced.',
      prepare: (fixture) => {
        base(fixture);
        fixture.spoil('/home/ada/.local/share/transient/backend/base');
      },
      typed: ['transient run base --cmd true'],
    },
    {
      form: 'Command produced garbage: unexpected output of qemu-img for PATH',
      when: 'The first `qemu-img` on `PATH` is another program, or prints additional output.',
      prepare: (fixture) => {
        base(fixture);
        fixture.program('qemu-img', "echo 'qemu-img: see https://wiki.example.org/images'");
      },
      typed: ['transient image ls'],
    },
    {
      form: 'Command produced garbage: qemu-img exited with 0 but did not create PATH',
      prepare: (fixture) => {
        base(fixture);
        creatingBy(fixture, 'exit 0');
      },
      typed: [CREATED],
    },
  ],
};

function withSum(source: string): string {
  return `[images.base]
source = "${source}"
sha256 = "${SUM}"

[vms.web]
image = "base"
ssh-command = "make test"
`;
}

function writeAll(fixture: Fixture, files: Makers): void {
  for (const [name, make] of Object.entries(files)) fixture.write(name, make());
}

/** An image spec for each file, by the first part of its name. */
function specsOf(files: Makers): string {
  return Object.keys(files)
    .map((file) => `${file.replace(/\..*/, '')},file=./${file}`)
    .join(' ');
}

/** A server with a certificate that it has signed itself; its address. */
async function secureServer(fixture: Fixture): Promise<string> {
  const server = await HttpServer.start(makeCertificate(fixture.place('.')));
  fixture.afterwards(() => server[Symbol.asyncDispose]());
  return server.url('');
}

function twoDisks(fixture: Fixture): void {
  fixture.write('one.qcow2', disk('qcow2', 1));
  fixture.write('two.qcow2', disk('qcow2', 2));
}

/** An image that another program has locked, and a short patience with it. */
async function lockedByOther(fixture: Fixture): Promise<void> {
  const working = '/home/ada/.local/share/transient/backend/.working';
  twoDisks(fixture);
  fixture.directory(working);
  fixture.rig.environment['TRANSIENT_PATIENCE'] = '0.0005';
  const other = fixture.start(`exec flock -F ${working}/base%lock sh -c 'echo locked; exec sleep 60'`);
  await other.waitFor(/locked/, 'stdout');
  fixture.afterwards(async () => {
    await other.kill();
    rmSync(fixture.place(working), { recursive: true });
  });
}

function boxOfTwo(): Buffer {
  const disks = ['disk_0.qcow2', 'disk_1.qcow2'];
  return tar(
    { name: 'metadata.json', content: JSON.stringify({ disks: disks.map((path) => ({ path })) }) },
    ...disks.map((name, index) => ({ name, content: disk('qcow2', index + 1) })),
  );
}

/** A registry with a box, in a version for QEMU, one for another hypervisor, and one with a sum of no known kind. */
async function publishBoxes(fixture: Fixture): Promise<void> {
  const server = await fixture.server();
  publish(server, 'debian/bookworm64', {
    '12.0': [libvirt()],
    '11.0': [{ provider: 'virtualbox', content: libvirtBox() }],
    '10.0': [libvirt(1, { checksum: { type: 'crc32', value: 'cbf43926' } })],
  });
  server.serve(boxPath('debian/bookworm64', '12.0'), libvirtBox());
}
