import { absoluteImage } from '../../config/merge.ts';
import type { ImageNeed } from '../../config/vm-spec.ts';
import { parseImageRef } from '../../options/option.ts';
import { withoutPasswords } from '../../options/password.ts';
import { planPull } from '../../plan/images.ts';
import type { Problem, Result } from '../../problem.ts';
import { all, failed, ok } from '../../problem.ts';
import type { CommandDef } from '../command.ts';
import { storesIn } from '../typed-layers.ts';

/** `image pull SPEC…`: retrieves images without running a VM. */
export const imagePull: CommandDef = {
  name: 'image pull',
  operands: '<spec...>',
  scope: 'everywhere',
  help: 'retrieve images into the backend: NAME,PROTOCOL=SOURCE, or USER/BOX:VERSION',
  plan: (invocation) => {
    const { backend } = storesIn(invocation);
    const needs = all(invocation.operands.map((spec) => needOf(spec, backend, invocation.workingDirectory)));
    const once = needs.ok ? unique(needs.value) : needs;
    return once.ok ? ok({ plan: planPull(once.value) }) : once;
  },
};

function needOf(spec: string, backend: string, workingDirectory: string): Result<ImageNeed> {
  const ref = parseImageRef(absoluteImage(spec, workingDirectory));
  if (typeof ref !== 'string') return ok({ ...ref, backend });
  return failed({
    reason: 'usage',
    message: `SPEC ${withoutPasswords(spec)} ${ref}`,
    where: { kind: 'flag', flag: 'SPEC', value: withoutPasswords(spec) },
    hint: 'expected NAME,file=PATH or NAME,http=URL or NAME,vagrant=BOX:VERSION, or USER/BOX:VERSION',
  });
}

/** Removes duplicates; one name with two sources is an error. */
function unique(needs: readonly ImageNeed[]): Result<ImageNeed[]> {
  const byName = new Map(needs.map((need) => [need.name, need]));
  const problems = needs.flatMap((need): Problem[] => {
    const other = byName.get(need.name);
    if (other?.source?.location === need.source?.location) return [];
    const where = { kind: 'flag' as const, flag: 'SPEC', value: need.name };
    const sources = [need, other]
      .map((one) => withoutPasswords(one?.source?.location ?? 'none'))
      .join(' and ');
    const message = `image "${need.name}" has two sources: ${sources}`;
    return [{ reason: 'conflict', message, where, hint: 'give each image its own name' }];
  });
  return problems.length > 0 ? failed(...problems) : ok([...byName.values()]);
}
