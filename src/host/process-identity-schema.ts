import * as z from 'zod';
import { lazily } from '../lazily.ts';

/** One process for good, as a record names it (process-identity.ts). */
export const processIdentity = lazily(() =>
  z.object({
    pid: z.int(),
    started: z.number(),
    boot: z.string(),
    space: z.string(),
  }),
);
