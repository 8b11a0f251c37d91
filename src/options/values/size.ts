import * as z from 'zod';
import { lazily } from '../../lazily.ts';
import { codec } from './value-type.ts';

const MEMORY_ERROR = 'must be an amount of memory such as "512M" or "2G"';

const input = lazily(() =>
  z.union(
    [
      z.string().regex(/^[1-9]\d*[KMGTkmgt]?$/, { error: MEMORY_ERROR }),
      z.int().min(1, { error: MEMORY_ERROR }),
    ],
    { error: MEMORY_ERROR },
  ),
);

/** An amount of memory in QEMU's syntax: a number with a suffix, MiB by default. */
export const memory = codec<string, string | number>(input, { decode: String, encode: (size) => size });
