import { lazily } from '../../lazily.ts';
import { text } from './primitives.ts';

/** Longest VM name after percent-encoding, in bytes (host/store-layout.ts). */
const LONGEST_ENCODED_NAME = 200;

/** Name of a VM in the VM store: any text that can be part of a file name once encoded. */
export const vmName = lazily(() =>
  text()
    .refine((name) => !name.startsWith('.'), { error: 'must not begin with a dot' })
    .refine((name) => !name.startsWith('-'), { error: 'must not begin with a hyphen' })
    .refine((name) => !/\p{Control}/u.test(name), { error: 'must not contain a control character' })
    .refine((name) => !/\p{Surrogate}/u.test(name), {
      error: 'must not contain an unpaired surrogate',
      abort: true,
    })
    .refine(
      (name) => encodeURIComponent(name).replaceAll(/[-!*'()]/g, '%XX').length <= LONGEST_ENCODED_NAME,
      {
        error: 'is too long for a file name',
      },
    ),
);
