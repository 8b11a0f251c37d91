import { describe, expect, test, vi } from 'vitest';
import { BUNDLED } from '../../../src/catalog/bundle.ts';
import type { CatalogImage } from '../../../src/catalog/catalog.ts';
import { Catalog } from '../../../src/catalog/catalog.ts';
import { resolveVendorImage } from '../../../src/image/vendor/resolve.ts';
import type { StepContext } from '../../../src/plan/executor.ts';
import { SigningKey } from '../../rig/signing-key.ts';
import { VendorServer } from '../../rig/vendor-server.ts';

/** A build of a release as its vendor names builds. */
function buildOf({ distribution, release }: CatalogImage): string {
  switch (distribution) {
    case 'alpine':
      return `${release}.1-r0`;
    case 'almalinux':
    case 'rocky':
      return `${release}.2-20260526.0`;
    case 'fedora':
      return '1.7';
    case 'amazonlinux':
      return `${release}.0.20260526.1`;
    default:
      return '20260526.1';
  }
}

// signatures by the dozen take long on a busy host
const TIMEOUT = 120_000;

describe('each image of the catalogue is found where its vendor has it', { timeout: TIMEOUT }, () => {
  test.each(Object.keys(BUNDLED))('%s', async (distribution) => {
    using key = new SigningKey();
    await using vendors = await VendorServer.start(key);
    vi.stubEnv('XDG_CONFIG_HOME', vendors.configuration);
    const catalog = Catalog.open(process.env);
    const images = catalog
      .names()
      .filter((name) => name.startsWith(`${distribution}:`))
      .flatMap((name) =>
        (['x86_64', 'aarch64'] as const).flatMap((architecture) => {
          const found = catalog.find(name, architecture);
          return found.ok ? [found.value] : [];
        }),
      );
    expect(images.length).toBeGreaterThan(0);
    const published = new Map(
      images.map((image) => {
        const { name, architecture } = image;
        const content = Buffer.from(`${name} for ${architecture}`);
        return [image, vendors.publish(name, { build: buildOf(image), image: content, architecture })];
      }),
    );
    for (const [image, { sha256, sha512 }] of published) {
      const { url, digest } = await resolveVendorImage(image, { allowUnverified: false }, context());
      expect([sha256, sha512]).toContain(digest);
      expect(await (await fetch(vendors.addressOf(url))).text()).toBe(
        `${image.name} for ${image.architecture}`,
      );
    }
    vi.unstubAllEnvs();
  });
});

function context(): StepContext {
  return {
    signal: new AbortController().signal,
    progress: () => undefined,
    note: () => undefined,
    warn: () => undefined,
  };
}
