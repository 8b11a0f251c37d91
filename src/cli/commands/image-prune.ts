import { planRemove } from '../../plan/images.ts';
import type { Result } from '../../problem.ts';
import { failed, ok } from '../../problem.ts';
import { amount } from '../../run/progress-text.ts';
import { type CommandDef, PLAN_SWITCH } from '../command.ts';
import { printPlan } from '../plan-output.ts';
import { storesIn } from '../typed-layers.ts';

const DAY = 24 * 3600 * 1000;

/** How many days a build is kept after its last use, by default. */
const DEFAULT_DAYS = 30;

/** `image prune`: removes builds of the catalogue that nothing needs. */
export const imagePrune: CommandDef = {
  name: 'image prune',
  scope: 'everywhere',
  help: 'remove builds of images by name that no VM and no lock file uses, and that were not used for a while',
  switches: [
    { flags: '--days <NUMBER>', help: `how many days unused builds are kept [default: ${DEFAULT_DAYS}]` },
    PLAN_SWITCH,
  ],
  run: async (invocation, output) => {
    const days = daysOf(invocation.switches['days'] as string | undefined);
    if (!days.ok) return days;
    const { backend, vmstore } = storesIn(invocation);
    const { prunableImages } = await import('../../image/by-name/prunable.ts');
    const prunable = await prunableImages(backend, vmstore, new Date(Date.now() - days.value * DAY));
    if (prunable.length === 0) return ok(output.note('Nothing to remove'));
    const names = prunable.map(({ name }) => name);
    const plan = planRemove(names, backend, vmstore, false);
    if (invocation.switches['plan'] === true) return ok(await printPlan({ plan }, output));
    const [{ perform }, { isStored }] = await Promise.all([
      import('../perform.ts'),
      import('../../image/store.ts'),
    ]);
    const exitCode = await perform({ plan }, output);
    const kept = await Promise.all(names.map(async (name) => isStored(backend, name)));
    const removed = prunable.filter((_image, index) => kept[index] === false);
    const lines = removed.map(({ name, size }) => `Removed ${name} (${amount(size)})\n`);
    const freed = amount(removed.reduce((sum, { size }) => sum + size, 0));
    output.print(`${lines.join('')}Freed ${freed}\n`);
    return ok(exitCode);
  },
};

function daysOf(text: string | undefined): Result<number> {
  if (text === undefined) return ok(DEFAULT_DAYS);
  if (/^\d{1,5}$/.test(text)) return ok(Number(text));
  return failed({
    reason: 'usage',
    message: `--days must be a whole number, got ${JSON.stringify(text)}`,
    where: { kind: 'flag', flag: '--days', value: text },
  });
}
