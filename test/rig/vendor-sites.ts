import type { Architecture } from '../../src/catalog/catalog.ts';
import type { Content } from './http-body.ts';
import type { SigningKey } from './signing-key.ts';

/** An image, as vendors distinguish them. */
export interface ImageFacts {
  readonly distribution: keyof typeof VENDOR_SITES;
  readonly release: string;
  readonly variant: string;
  readonly architecture: Architecture;
}

export interface PublishedBuild {
  readonly build: string;
  readonly size: number;
  readonly content: Content;
  readonly sha256: string;
  readonly sha512: string;
}

/** The builds of one image. */
export interface PublishedBuilds {
  readonly facts: ImageFacts;
  readonly builds: readonly PublishedBuild[];
}

interface Publisher {
  readonly put: (url: string, content: string | Content) => void;
  readonly key: SigningKey;
}

/** The site of a vendor. */
interface VendorSite {
  readonly hosts: readonly string[];
  /** URL of the image of a build. */
  readonly imageOf: (facts: ImageFacts, build: PublishedBuild) => string;
  /** All files of a build. */
  readonly filesOf: (facts: ImageFacts, build: PublishedBuild) => string[];
  /** Publishes all builds of its images. */
  readonly publish: (all: readonly PublishedBuilds[], publisher: Publisher) => void;
}

const DEBIAN_CODENAMES: Readonly<Record<string, string>> = {
  '13': 'trixie',
  '12': 'bookworm',
  '11': 'bullseye',
  '10': 'buster',
  '14': 'forky',
};
const UBUNTU_CODENAMES: Readonly<Record<string, string>> = {
  '26.04': 'resolute',
  '25.10': 'questing',
  '25.04': 'plucky',
  '24.04': 'noble',
  '22.04': 'jammy',
  '20.04': 'focal',
  '18.04': 'bionic',
  '16.04': 'xenial',
};

const deb = ({ architecture }: ImageFacts): string => (architecture === 'x86_64' ? 'amd64' : 'arm64');

const debianIsDaily = ({ release }: ImageFacts): boolean => ['14', 'sid'].includes(release);

const debianDirectory = (facts: ImageFacts): string =>
  `https://cloud.debian.org/images/cloud/${debianTree(facts)}`;

function debianTree(facts: ImageFacts): string {
  return `${DEBIAN_CODENAMES[facts.release] ?? facts.release}/${debianIsDaily(facts) ? 'daily/' : ''}`;
}

function debianName(facts: ImageFacts): string {
  return `debian-${facts.release}-${facts.variant}-${deb(facts)}${debianIsDaily(facts) ? '-daily' : ''}`;
}

const debian: VendorSite = {
  hosts: ['cloud.debian.org'],
  imageOf: (facts, { build }) => `${debianDirectory(facts)}${build}/${debianName(facts)}-${build}.qcow2`,
  filesOf: (facts, build) => [
    debian.imageOf(facts, build),
    beside(debian.imageOf(facts, build), 'SHA512SUMS'),
  ],
  publish: (all, { put }) => {
    const files = all.flatMap(({ facts, builds }) =>
      builds.map((one) => ({ url: debian.imageOf(facts, one), one })),
    );
    for (const { url, one } of files) put(url, one.content);
    for (const [sums, lines] of linesBeside(files, 'SHA512SUMS', ({ url, one }) =>
      gnu(one.sha512, nameOf(url)),
    ))
      put(sums, lines);
    for (const { facts, builds } of all) {
      put(`${debianDirectory(facts)}latest/${debianName(facts)}.json`, debianIndex(facts, newest(builds)));
    }
  },
};

function debianIndex(facts: ImageFacts, { build, sha512 }: PublishedBuild): string {
  const upload = (format: string, extension: string, digest: string): unknown => ({
    apiVersion: 'cloud.debian.org/v1alpha1',
    data: {
      familyRef: null,
      provider: 'cloud.debian.org',
      ref: `${debianTree(facts)}${build}/${debianName(facts)}-${build}.${extension}`,
    },
    kind: 'Upload',
    metadata: {
      annotations: {
        'cloud.debian.org/digest': `sha512:${Buffer.from(digest, 'hex').toString('base64').replace(/=+$/, '')}`,
      },
      labels: {
        'cloud.debian.org/vendor': facts.variant,
        'cloud.debian.org/version': build,
        'debian.org/arch': deb(facts),
        'upload.cloud.debian.org/image-format': format,
        'upload.cloud.debian.org/type': 'release',
      },
    },
  });
  const packages = {
    apiVersion: 'cloud.debian.org/v1alpha1',
    kind: 'Build',
    data: { packages: [{ name: 'adduser', version: '3.134' }] },
  };
  const other = '0'.repeat(128);
  const items = [
    packages,
    upload('internal', 'tar.xz', other),
    upload('raw', 'raw', other),
    upload('qcow2', 'qcow2', sha512),
  ];
  return JSON.stringify({ apiVersion: 'v1', items, kind: 'List' }, undefined, 4);
}

const ubuntuTree = ({ variant }: ImageFacts): string =>
  `https://cloud-images.ubuntu.com/${variant === 'minimal' ? 'minimal/' : ''}releases/`;

const ubuntu: VendorSite = {
  hosts: ['cloud-images.ubuntu.com'],
  imageOf: (facts, build) => `${ubuntuTree(facts)}${ubuntuPath(facts, build)}`,
  filesOf: (facts, build) =>
    ubuntuDirectories(facts, build).flatMap((url) => [
      url,
      beside(url, 'SHA256SUMS'),
      beside(url, 'SHA256SUMS.gpg'),
    ]),
  publish: (all, { put, key }) => {
    const files = all.flatMap(({ facts, builds }) =>
      builds.flatMap((one) => ubuntuDirectories(facts, one).map((url) => ({ url, one }))),
    );
    for (const { url, one } of files) put(url, one.content);
    const line = ({ url, one }: PublishedFile): string => `${one.sha256} *${nameOf(url)}\n`;
    for (const [sums, lines] of linesBeside(files, 'SHA256SUMS', line)) {
      put(sums, lines);
      put(`${sums}.gpg`, key.detached(lines));
    }
    for (const variant of ['server', 'minimal']) {
      const ofVariant = all.filter(({ facts }) => facts.variant === variant);
      const [first] = ofVariant;
      if (first)
        put(
          `${ubuntuTree(first.facts)}streams/v1/com.ubuntu.cloud:released:download.json`,
          ubuntuIndex(ofVariant),
        );
    }
  },
};

function ubuntuPath({ release, variant, ...facts }: ImageFacts, { build }: PublishedBuild): string {
  return `${variant}/releases/${UBUNTU_CODENAMES[release] ?? ''}/release-${build}/ubuntu-${release}-${variant}-cloudimg-${deb({ release, variant, ...facts })}.img`;
}

/** The image is in two places: where the index has it, and where people look for it. */
function ubuntuDirectories(facts: ImageFacts, build: PublishedBuild): string[] {
  const path = ubuntuPath(facts, build);
  return [
    `${ubuntuTree(facts)}${path}`,
    `${ubuntuTree(facts)}${path.replace(`${facts.variant}/releases/`, '')}`,
  ];
}

function ubuntuIndex(all: readonly PublishedBuilds[]): string {
  const products = all.map(({ facts, builds }) => {
    const versions = builds.map((one) => [
      one.build,
      {
        items: {
          'disk1.img': {
            ftype: 'disk1.img',
            path: ubuntuPath(facts, one),
            sha256: one.sha256,
            size: one.size,
          },
          'root.tar.xz': {
            ftype: 'root.tar.xz',
            path: 'server/root.tar.xz',
            sha256: '0'.repeat(64),
            size: 1,
          },
        },
        label: 'release',
      },
    ]);
    return [
      `com.ubuntu.cloud:${facts.variant}:${facts.release}:${deb(facts)}`,
      {
        arch: deb(facts),
        os: 'ubuntu',
        version: facts.release,
        versions: Object.fromEntries(versions) as unknown,
      },
    ];
  });
  return JSON.stringify({
    content_id: 'com.ubuntu.cloud:released:download',
    format: 'products:1.0',
    products: Object.fromEntries(products) as unknown,
  });
}

const fedoraDirectory = ({ release, architecture }: ImageFacts): string =>
  `/pub/fedora/linux/releases/${release}/Cloud/${architecture}/images/`;

const fedora: VendorSite = {
  hosts: ['download.fedoraproject.org', 'dl.fedoraproject.org', 'fedoraproject.org'],
  imageOf: (facts, { build }) =>
    `https://download.fedoraproject.org${fedoraDirectory(facts)}Fedora-Cloud-Base-Generic-${facts.release}-${build}.${facts.architecture}.qcow2`,
  filesOf: (facts, build) => [fedora.imageOf(facts, build), fedoraChecksums(facts, build)],
  publish: (all, { put, key }) => {
    for (const { facts, builds } of all) {
      for (const one of builds) {
        const url = fedora.imageOf(facts, one);
        put(url, one.content);
        put(
          fedoraChecksums(facts, one),
          key.clearSigned(`# ${nameOf(url)}: ${one.size} bytes\n${bsd('SHA256', one.sha256, nameOf(url))}`),
        );
      }
    }
    put('https://fedoraproject.org/releases.json', JSON.stringify(all.flatMap(fedoraEntries)));
  },
};

const fedoraChecksums = (facts: ImageFacts, { build }: PublishedBuild): string =>
  `https://dl.fedoraproject.org${fedoraDirectory(facts)}Fedora-Cloud-${facts.release}-${build}-${facts.architecture}-CHECKSUM`;

function fedoraEntries({ facts, builds }: PublishedBuilds): unknown[] {
  const one = newest(builds);
  const common = {
    version: facts.release,
    arch: facts.architecture,
    variant: 'Cloud',
    subvariant: 'Cloud_Base',
  };
  const link = fedora.imageOf(facts, one);
  return [
    {
      ...common,
      link: link.replace('-Generic', '-AmazonEC2').replace('.qcow2', '.raw.xz'),
      sha256: '0'.repeat(64),
      size: '1',
    },
    {
      ...common,
      link: link.replace('-Generic', '-UEFI-UKI'),
      subvariant: 'Cloud_Base_UKI',
      sha256: '0'.repeat(64),
      size: '1',
    },
    { ...common, link, sha256: one.sha256, size: String(one.size) },
    {
      ...common,
      version: '41 Beta',
      link: link.replace('-Generic-', '-Generic-41_Beta-'),
      sha256: '0'.repeat(64),
      size: '1',
    },
  ];
}

const centos: VendorSite = {
  hosts: ['cloud.centos.org'],
  imageOf: ({ release, architecture }, { build }) => {
    const infix = architecture === 'x86_64' ? 'x86_64-' : '';
    return `https://cloud.centos.org/centos/${release}-stream/${architecture}/images/CentOS-Stream-GenericCloud-${infix}${release}-${build}.${architecture}.qcow2`;
  },
  filesOf: (facts, build) => [centos.imageOf(facts, build), `${centos.imageOf(facts, build)}.SHA256SUM`],
  publish: (all, { put }) => {
    for (const { facts, builds } of all) {
      const lines = builds.map((one) => {
        const url = centos.imageOf(facts, one);
        const other = nameOf(url).replace('GenericCloud-x86_64-', 'GenericCloud-');
        const line = `# ${nameOf(url)}: ${one.size} bytes\n${bsd('SHA256', one.sha256, nameOf(url))}`;
        put(url, one.content);
        put(`${url}.SHA256SUM`, line);
        return other === nameOf(url) ? line : `${bsd('SHA256', '0'.repeat(64), other)}${line}`;
      });
      const latest = centos.imageOf(facts, { ...newest(builds), build: 'latest' });
      put(`${latest}.SHA256SUM`, bsd('SHA256', newest(builds).sha256, nameOf(latest)));
      put(
        beside(latest, 'CHECKSUM'),
        [...lines, bsd('SHA256', newest(builds).sha256, nameOf(latest))].join(''),
      );
    }
  },
};

const almaArchitecture = ({ variant, architecture }: ImageFacts): string =>
  variant === 'v2' ? 'x86_64_v2' : architecture;

const almalinux: VendorSite = {
  hosts: ['repo.almalinux.org'],
  imageOf: (facts, { build }) =>
    `${almaDirectory(facts, majorMinor(build))}AlmaLinux-${facts.release}-GenericCloud-${build}.${almaArchitecture(facts)}.qcow2`,
  filesOf: (facts, build) =>
    [nameOf(almalinux.imageOf(facts, build)), 'CHECKSUM', 'CHECKSUM.asc'].map((name) =>
      beside(almalinux.imageOf(facts, build), name),
    ),
  publish: (all, { put, key }) => {
    for (const { facts, builds } of all) {
      for (const one of builds) put(almalinux.imageOf(facts, one), one.content);
      const minors = [...new Set(builds.map(({ build }) => majorMinor(build)))];
      for (const minor of minors) {
        const sums = almaSums(
          facts,
          builds.filter(({ build }) => majorMinor(build) === minor),
        );
        const directories = [minor, ...(minor === majorMinor(newest(builds).build) ? [facts.release] : [])];
        for (const directory of directories.map((name) => almaDirectory(facts, name))) {
          put(`${directory}CHECKSUM`, sums);
          put(`${directory}CHECKSUM.asc`, key.detached(sums));
        }
      }
    }
  },
};

const almaDirectory = (facts: ImageFacts, release: string): string =>
  `https://repo.almalinux.org/almalinux/${release}/cloud/${almaArchitecture(facts)}/images/`;

function almaSums(facts: ImageFacts, builds: readonly PublishedBuild[]): string {
  const lines = builds.flatMap((one) => {
    const name = nameOf(almalinux.imageOf(facts, one));
    return [gnu(one.sha256, name), gnu('0'.repeat(64), name.replace('GenericCloud-', 'GenericCloud-ext4-'))];
  });
  const latest = nameOf(almalinux.imageOf(facts, { ...newest(builds), build: 'latest' }));
  return [...lines, gnu(newest(builds).sha256, latest)].join('');
}

const rockyDirectory = ({ architecture }: ImageFacts, release: string): string =>
  `https://dl.rockylinux.org/pub/rocky/${release}/images/${architecture}/`;

const rocky: VendorSite = {
  hosts: ['dl.rockylinux.org'],
  imageOf: (facts, { build }) =>
    `${rockyDirectory(facts, majorMinor(build))}Rocky-${facts.release}-GenericCloud-Base-${build}.${facts.architecture}.qcow2`,
  filesOf: (facts, build) => [rocky.imageOf(facts, build), `${rocky.imageOf(facts, build)}.CHECKSUM`],
  publish: (all, { put }) => {
    for (const { facts, builds } of all) {
      for (const one of builds) {
        const url = rocky.imageOf(facts, one);
        const line = bsd('SHA256', one.sha256, nameOf(url));
        put(url, one.content);
        put(`${url}.CHECKSUM`, `# ${nameOf(url)}: ${one.size} bytes\n${line}${line}`);
      }
      const names = builds.map((one) => nameOf(rocky.imageOf(facts, one)));
      const latest = `Rocky-${facts.release}-GenericCloud-Base.latest.${facts.architecture}.qcow2`;
      const all = [...names, latest].flatMap((name) => [
        name,
        `${name}.CHECKSUM`,
        name.replace('-Base', '-LVM'),
      ]);
      put(rockyDirectory(facts, facts.release), apacheListing(all));
    }
  },
};

const opensuse: VendorSite = {
  hosts: ['download.opensuse.org'],
  imageOf: ({ release, architecture }) => {
    const file = `Minimal-VM.${architecture}-Cloud.qcow2`;
    if (release === 'tumbleweed')
      return `https://download.opensuse.org/tumbleweed/appliances/openSUSE-Tumbleweed-${file}`;
    return `https://download.opensuse.org/distribution/leap/${release}/appliances/${release === '15.6' ? 'openSUSE-' : ''}Leap-${release}-${file}`;
  },
  filesOf: (facts, build) =>
    ['', '.sha256', '.sha256.asc'].map((extension) => `${opensuse.imageOf(facts, build)}${extension}`),
  publish: (all, { put, key }) => {
    for (const { facts, builds } of all) {
      const one = newest(builds);
      const url = opensuse.imageOf(facts, one);
      const sums = `${one.sha256} ${facts.release === '15.6' ? '' : ' '}${nameOf(url)}\n`;
      put(url, one.content);
      put(`${url}.sha256`, sums);
      put(`${url}.sha256.asc`, key.detached(sums));
    }
  },
};

const ARCH = 'https://geo.mirror.pkgbuild.com/images/';

const arch: VendorSite = {
  hosts: ['geo.mirror.pkgbuild.com'],
  imageOf: (_facts, { build }) => `${ARCH}v${build}/Arch-Linux-x86_64-cloudimg-${build}.qcow2`,
  filesOf: (facts, build) => [arch.imageOf(facts, build), `${arch.imageOf(facts, build)}.SHA256`],
  publish: (all, { put }) => {
    for (const { facts, builds } of all) {
      for (const one of builds) {
        const url = arch.imageOf(facts, one);
        put(url, one.content);
        put(`${url}.SHA256`, gnu(one.sha256, nameOf(url)));
      }
      put(ARCH, nginxListing(['latest/', ...builds.map(({ build }) => `v${build}/`)]));
    }
  },
};

const alpineDirectory = ({ release }: ImageFacts): string =>
  `https://dl-cdn.alpinelinux.org/alpine/v${release}/releases/cloud/`;

const alpine: VendorSite = {
  hosts: ['dl-cdn.alpinelinux.org'],
  imageOf: (facts, { build }) => {
    const [version = '', revision = ''] = build.split('-');
    return `${alpineDirectory(facts)}nocloud_alpine-${version}-${facts.architecture}-${facts.variant}-cloudinit-${revision}.qcow2`;
  },
  filesOf: (facts, build) => [alpine.imageOf(facts, build), `${alpine.imageOf(facts, build)}.sha512`],
  publish: (all, { put }) => {
    const names = all.flatMap(({ facts, builds }) =>
      builds.map((one) => {
        const url = alpine.imageOf(facts, one);
        put(url, one.content);
        put(`${url}.sha512`, one.sha512);
        return { directory: alpineDirectory(facts), name: nameOf(url) };
      }),
    );
    for (const directory of new Set(names.map((one) => one.directory))) {
      const here = names.filter((one) => one.directory === directory).map(({ name }) => name);
      const others = here.flatMap((name) => [
        name.replace('cloudinit', 'tiny'),
        name.replace('cloudinit', 'cloudinit-metal'),
        name.replace('nocloud', 'generic'),
      ]);
      put(directory, nginxListing([...others, ...here].flatMap((name) => [name, `${name}.sha512`])));
    }
  },
};

const amazonTree = ({ release }: ImageFacts): string =>
  `https://cdn.amazonlinux.com/${release === '2' ? '' : 'al2023/'}os-images/`;
const amazonDirectory = ({ architecture }: ImageFacts): string =>
  architecture === 'x86_64' ? 'kvm' : 'kvm-arm64';

const amazonlinux: VendorSite = {
  hosts: ['cdn.amazonlinux.com'],
  imageOf: (facts, { build }) => {
    const architecture = facts.architecture === 'x86_64' ? 'x86_64' : 'arm64';
    const name =
      facts.release === '2'
        ? `amzn2-kvm-${build}-${architecture}`
        : `al2023-kvm-${build}-kernel-6.1-${architecture}`;
    return `${amazonTree(facts)}${build}/${amazonDirectory(facts)}/${name}.xfs.gpt.qcow2`;
  },
  filesOf: (facts, build) => [
    amazonlinux.imageOf(facts, build),
    beside(amazonlinux.imageOf(facts, build), 'SHA256SUMS'),
  ],
  publish: (all, { put }) => {
    for (const { facts, builds } of all) {
      for (const one of builds) {
        const url = amazonlinux.imageOf(facts, one);
        put(url, one.content);
        put(beside(url, 'SHA256SUMS'), gnu(one.sha256, nameOf(url)));
      }
      const last = newest(builds);
      put(
        `${amazonTree(facts)}latest/${amazonDirectory(facts)}/SHA256SUMS`,
        gnu(last.sha256, nameOf(amazonlinux.imageOf(facts, last))),
      );
    }
  },
};

const freebsd: VendorSite = {
  hosts: ['download.freebsd.org'],
  imageOf: ({ release, variant, architecture }) => {
    const [directory, name] = architecture === 'x86_64' ? ['amd64', 'amd64'] : ['aarch64', 'arm64-aarch64'];
    return `https://download.freebsd.org/releases/VM-IMAGES/${release}-RELEASE/${directory}/Latest/FreeBSD-${release}-RELEASE-${name}-BASIC-CLOUDINIT-${variant}.qcow2.xz`;
  },
  filesOf: (facts, build) => [freebsd.imageOf(facts, build)],
  publish: (all, { put }) => {
    const files = all.map(({ facts, builds }) => ({
      url: freebsd.imageOf(facts, newest(builds)),
      one: newest(builds),
    }));
    for (const { url, one } of files) {
      put(url, one.content);
      const beneath = files.filter((other) => beside(other.url, '') === beside(url, ''));
      const sums = (algorithm: 'SHA256' | 'SHA512', key: 'sha256' | 'sha512'): string =>
        beneath.map((other) => bsd(algorithm, other.one[key], nameOf(other.url))).join('');
      put(beside(url, 'CHECKSUM.SHA256'), sums('SHA256', 'sha256'));
      put(beside(url, 'CHECKSUM.SHA512'), sums('SHA512', 'sha512'));
    }
  },
};

/** The sites of the vendors, by their distributions. */
export const VENDOR_SITES = {
  debian,
  ubuntu,
  fedora,
  'centos-stream': centos,
  almalinux,
  rocky,
  opensuse,
  arch,
  alpine,
  amazonlinux,
  freebsd,
} satisfies Readonly<Record<string, VendorSite>>;

function newest(builds: readonly PublishedBuild[]): PublishedBuild {
  const last = builds.at(-1);
  if (last === undefined) throw new Error('there is no build');
  return last;
}

/** The minor release that a build begins with. */
function majorMinor(build: string): string {
  return build.split('-')[0] ?? '';
}

function nameOf(url: string): string {
  return url.slice(url.lastIndexOf('/') + 1);
}

/** URL of another file in the directory of a file. */
function beside(url: string, name: string): string {
  return `${url.slice(0, url.lastIndexOf('/') + 1)}${name}`;
}

/** A file of a build. */
interface PublishedFile {
  readonly url: string;
  readonly one: PublishedBuild;
}

/** Checksum files with lines for all files of a directory, by their URLs. */
function linesBeside(
  files: readonly PublishedFile[],
  name: string,
  line: (file: PublishedFile) => string,
): Map<string, string> {
  const texts = new Map<string, string>();
  for (const file of files) {
    const url = beside(file.url, name);
    texts.set(url, `${texts.get(url) ?? ''}${line(file)}`);
  }
  return texts;
}

function gnu(digest: string, name: string): string {
  return `${digest}  ${name}\n`;
}

function bsd(algorithm: 'SHA256' | 'SHA512', digest: string, name: string): string {
  return `${algorithm} (${name}) = ${digest}\n`;
}

/** A directory as Apache lists it. */
export function apacheListing(names: readonly string[]): string {
  const rows = names.map(
    (name) =>
      `<tr><td valign="top"><img src="/icons/unknown.gif" alt="[   ]"></td><td><a href="${name}">${name.slice(0, 20)}..&gt;</a></td><td align="right">2026-05-25 10:11  </td></tr>`,
  );
  return `<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 3.2 Final//EN">
<html><head><title>Index of /pub</title></head><body><h1>Index of /pub</h1><table>
<tr><th><a href="?C=N;O=D">Name</a></th><th><a href="?C=M;O=A">Last modified</a></th></tr>
<tr><td><a href="/pub/">Parent Directory</a></td></tr>
${rows.join('\n')}
</table></body></html>
`;
}

/** A directory as nginx lists it. */
export function nginxListing(names: readonly string[]): string {
  const lines = names.map(
    (name) => `<a href="${name}">${name.slice(0, 47)}..&gt;</a>  25-May-2026 10:11  1234`,
  );
  return `<html>\r\n<head><title>Index of /</title></head>\r\n<body>\r\n<h1>Index of /</h1><hr><pre><a href="../">../</a>\r\n${lines.join('\r\n')}\r\n</pre><hr></body>\r\n</html>\r\n`;
}
