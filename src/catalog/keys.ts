import { readFileSync } from 'node:fs';
import { TransientError, systemMessage } from '../problem.ts';
import type { KeySource } from './catalog-image.ts';
import almalinux10 from './keys/almalinux-10.asc';
import almalinux8 from './keys/almalinux-8.asc';
import almalinux9 from './keys/almalinux-9.asc';
import fedora41 from './keys/fedora-41.asc';
import fedora42 from './keys/fedora-42.asc';
import fedora43 from './keys/fedora-43.asc';
import fedora44 from './keys/fedora-44.asc';
import fedora45 from './keys/fedora-45.asc';
import opensuse2022 from './keys/opensuse-2022.asc';
import opensuse from './keys/opensuse.asc';
import ubuntuCloudImageBuilder from './keys/ubuntu-cloud-image-builder.asc';
import ubuntuUecImage from './keys/ubuntu-uec-image.asc';

/** The bundled public keys of vendors, ASCII-armoured. */
const BUNDLED_KEYS: Readonly<Record<string, string>> = {
  'almalinux-10.asc': almalinux10,
  'almalinux-8.asc': almalinux8,
  'almalinux-9.asc': almalinux9,
  'fedora-41.asc': fedora41,
  'fedora-42.asc': fedora42,
  'fedora-43.asc': fedora43,
  'fedora-44.asc': fedora44,
  'fedora-45.asc': fedora45,
  'opensuse-2022.asc': opensuse2022,
  'opensuse.asc': opensuse,
  'ubuntu-cloud-image-builder.asc': ubuntuCloudImageBuilder,
  'ubuntu-uec-image.asc': ubuntuUecImage,
};

/** Whether a key comes with the catalogue. */
export function isBundledKey(name: string): boolean {
  return name in BUNDLED_KEYS;
}

/** Reads a public key, ASCII-armoured. */
export function readKey(source: KeySource): string {
  if (source.kind === 'bundled') return BUNDLED_KEYS[source.name] ?? '';
  try {
    return readFileSync(source.path, 'utf8');
  } catch (cause) {
    throw new TransientError(
      { reason: 'unreadable', message: `cannot read the key ${source.path}: ${systemMessage(cause)}` },
      { cause },
    );
  }
}
