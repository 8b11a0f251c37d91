import * as z from 'zod';
import { lazily } from '../lazily.ts';

/** Schema of a process identity in records (process-identity.ts). */
export const processIdentity = lazily(() =>
  z.object({
    pid: z.int(),
    started: z.number(),
    boot: z.string(),
    space: z.string(),
  }),
);
