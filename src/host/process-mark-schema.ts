import * as z from 'zod';

/** One process for good, as a record names it (process-mark.ts). */
export const processMark = z.object({
  pid: z.int(),
  started: z.number(),
  boot: z.string(),
  space: z.string(),
});
