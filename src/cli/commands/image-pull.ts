import type { ImageNeed } from '../../config/vm-spec.ts';
import { IMAGE_PROTOCOLS, IMAGE_SOURCES } from '../../options/values/image-sources.ts';
import type { ImageRef } from '../../options/values/image-spec.ts';
import { imageSpec } from '../../options/values/image-spec.ts';
import { absolute, decodeOperand } from '../../options/values/value-type.ts';
import { withoutPasswords } from '../../options/password.ts';
import { planPull } from '../../plan/images.ts';
import type { Problem, Result } from '../../problem.ts';
import { all, failed, ok } from '../../problem.ts';
import type { CommandDef } from '../command.ts';
import { UNVERIFIED_SWITCH, lookupFor } from '../image-names.ts';
import { storesIn } from '../typed-layers.ts';

/** `image pull SPEC…`: retrieves images without running a VM. */
export const imagePull: CommandDef = {
  name: 'image pull',
  operands: '<spec...>',
  completes: ['available'],
  scope: 'everywhere',
  help: 'retrieve images into the backend: DISTRIBUTION:RELEASE, NAME,PROTOCOL=SOURCE or USER/BOX:VERSION',
  switches: [UNVERIFIED_SWITCH],
  plan: async (invocation) => {
    const { backend } = storesIn(invocation);
    const images = all(invocation.operands.map((spec) => imageOf(spec, invocation.workingDirectory)));
    if (!images.ok) return images;
    const lookup = await lookupFor(images.value, backend, invocation);
    const found = all(images.value.map((image) => lookup(image, backend)));
    const needs = found.ok ? unique(found.value.map((image) => ({ ...image, backend }))) : found;
    return needs.ok ? ok({ plan: planPull(needs.value) }) : needs;
  },
};

function imageOf(spec: string, workingDirectory: string): Result<ImageRef> {
  const examples = IMAGE_PROTOCOLS.map((protocol) => `NAME,${protocol}=${IMAGE_SOURCES[protocol].location}`);
  const image = decodeOperand(imageSpec, spec, (message) => ({
    reason: 'usage',
    message: `SPEC ${withoutPasswords(spec)} ${message}`,
    where: { kind: 'flag', flag: 'SPEC', value: withoutPasswords(spec) },
    hint: `expected ${examples.join(' or ')}, or DISTRIBUTION:RELEASE or USER/BOX:VERSION`,
  }));
  return image.ok ? ok(absolute(imageSpec, image.value, workingDirectory)) : image;
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
