import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BUNDLED } from '../../src/catalog/bundle.ts';
import type { Architecture } from '../../src/catalog/catalog.ts';
import { Catalog } from '../../src/catalog/catalog.ts';
import type { Served } from './http-server.ts';
import { HttpServer } from './http-server.ts';
import { SigningKey } from './signing-key.ts';
import type { ImageFacts, PublishedBuild } from './vendor-sites.ts';
import { VENDOR_SITES } from './vendor-sites.ts';

/** A build to publish. */
export interface NewBuild {
  /** As the vendor names it, such as `20260712-2537`; openSUSE and FreeBSD give no names to builds. */
  readonly build?: string;
  /** The bytes of the image, or the path of a file with them. */
  readonly image: Buffer | string;
  readonly architecture?: Architecture;
}

/** Address and checksum of a published build. */
export interface PublishedImage {
  /** URL on this server. */
  readonly url: string;
  readonly sha256: string;
  readonly sha512: string;
}

/**
 * A server that publishes images as the vendors of the catalogue do, at the paths of their sites and in their forms:
 * `await using vendors = await VendorServer.start()`. Programs find it by {@link environment}.
 */
export class VendorServer implements AsyncDisposable {
  readonly http: HttpServer;
  /** The key that stands for those of all vendors that sign. */
  readonly key: SigningKey;
  /** Directory of the user's configuration, with the mirrors and the key. */
  readonly configuration: string;
  readonly #ownsKey: boolean;
  readonly #builds = new Map<string, PublishedBuild[]>();
  readonly #catalog = Catalog.open({});

  private constructor(http: HttpServer, key: SigningKey | undefined) {
    this.http = http;
    this.#ownsKey = key === undefined;
    this.key = key ?? new SigningKey();
    this.configuration = mkdtempSync('/tmp/tr-config-');
    this.#writeMirrors();
    this.#writeCatalog();
  }

  /** Starts a server; a key that is given is not disposed of with it. */
  static async start(key?: SigningKey): Promise<VendorServer> {
    return new VendorServer(await HttpServer.start(), key);
  }

  /** Variables that lead the program to this server. */
  get environment(): NodeJS.ProcessEnv {
    return { XDG_CONFIG_HOME: this.configuration };
  }

  /** Publishes a build of an image of the catalogue, which is its newest one then. */
  publish(name: string, { build = '', image, architecture = 'x86_64' }: NewBuild): PublishedImage {
    const facts = this.#factsOf(name, architecture);
    const bytes = typeof image === 'string' ? readFileSync(image) : image;
    const sums = { sha256: sumOf(bytes, 'sha256'), sha512: sumOf(bytes, 'sha512') };
    const published = {
      build,
      size: bytes.length,
      content: typeof image === 'string' ? { file: image } : image,
      ...sums,
    };
    const earlier = this.#buildsOf(facts).filter((one) => one.build !== build);
    this.#update(facts, [...earlier, published]);
    return {
      url: this.http.url(pathOf(VENDOR_SITES[facts.distribution].imageOf(facts, published))),
      ...sums,
    };
  }

  /** Removes a build of an image. */
  withdraw(name: string, build: string, architecture: Architecture = 'x86_64'): void {
    const facts = this.#factsOf(name, architecture);
    const builds = this.#buildsOf(facts);
    for (const one of builds.filter((published) => published.build === build)) {
      for (const url of VENDOR_SITES[facts.distribution].filesOf(facts, one)) this.remove(url);
    }
    this.#update(
      facts,
      builds.filter((one) => one.build !== build),
    );
  }

  /** Puts something else at the address of a vendor. */
  replace(url: string, content: string | Served): void {
    this.http.serve(pathOf(url), typeof content === 'string' ? Buffer.from(content) : content);
  }

  remove(url: string): void {
    this.http.serve(pathOf(url), { statuses: Array<number>(20).fill(404) });
  }

  /** Does something once the address of a vendor has been requested, before anything else is. */
  afterRequest(url: string, act: () => void): void {
    const content = Buffer.from(this.textAt(url));
    let isDone = false;
    const onRequest = (): void => {
      if (isDone) return;
      isDone = true;
      act();
    };
    this.http.serve(pathOf(url), { content, onRequest });
  }

  /** The address on this server that stands for that of a vendor. */
  addressOf(url: string): string {
    return this.http.url(pathOf(url));
  }

  /** The text at the address of a vendor. */
  textAt(url: string): string {
    return this.http.textAt(pathOf(url));
  }

  /** Requested addresses, as those of the vendors. */
  get requested(): string[] {
    return this.http.requests.map(({ path }) => `https:/${path}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.http[Symbol.asyncDispose]();
    if (this.#ownsKey) this.key[Symbol.dispose]();
    rmSync(this.configuration, { recursive: true, force: true });
  }

  #update(facts: ImageFacts, builds: readonly PublishedBuild[]): void {
    this.#builds.set(JSON.stringify(facts), [...builds]);
    const all = [...this.#builds]
      .map(([text, published]) => ({ facts: JSON.parse(text) as ImageFacts, builds: published }))
      .filter((one) => one.facts.distribution === facts.distribution && one.builds.length > 0);
    VENDOR_SITES[facts.distribution].publish(all, {
      put: (url, content) =>
        void this.http.serve(pathOf(url), typeof content === 'string' ? Buffer.from(content) : { content }),
      key: this.key,
    });
  }

  #buildsOf(facts: ImageFacts): PublishedBuild[] {
    return this.#builds.get(JSON.stringify(facts)) ?? [];
  }

  #factsOf(name: string, architecture: Architecture): ImageFacts {
    const found = this.#catalog.find(name, architecture);
    if (!found.ok) throw new Error(`${name}: ${found.problems.map(({ message }) => message).join('; ')}`);
    const { distribution, release, variant } = found.value;
    if (!isSite(distribution)) throw new Error(`nobody publishes ${distribution}`);
    return { distribution, release, variant, architecture };
  }

  /** Redirects all sites. */
  #writeMirrors(): void {
    const hosts = [...new Set(Object.values(VENDOR_SITES).flatMap((site) => site.hosts))];
    const lines = hosts.map((host) => `"https://${host}/" = "${this.http.url(`/${host}/`)}"`);
    this.write('config.toml', `[mirrors]\n${lines.join('\n')}\n`);
  }

  /** The bundled catalogue with our key for those of the vendors. */
  #writeCatalog(): void {
    this.write('catalog/vendor.asc', this.key.publicKey);
    for (const [name, text] of Object.entries(BUNDLED)) {
      const ours = text
        .replaceAll(/^keys = \[[^\]]*\]/gm, 'keys = ["vendor.asc"]')
        .replaceAll(/^fingerprints = \[[^\]]*\]/gm, `fingerprints = ["${this.key.fingerprint}"]`);
      if (ours !== text) this.write(`catalog/${name}.toml`, ours);
    }
  }

  /** Writes a file of the user's configuration. */
  write(name: string, text: string): void {
    const path = join(this.configuration, 'transient', name);
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, text);
  }
}

/** The path of this server that stands for the address of a vendor. */
function pathOf(url: string): string {
  const { host, pathname } = new URL(url);
  return `/${host}${pathname}`;
}

function sumOf(bytes: Buffer, algorithm: string): string {
  return createHash(algorithm).update(bytes).digest('hex');
}

function isSite(name: string): name is keyof typeof VENDOR_SITES {
  return name in VENDOR_SITES;
}
