import type { ImageRef } from '../options/values/image-spec.ts';
import { imageSpec } from '../options/values/image-spec.ts';
import { absolute, decodeOperand } from '../options/values/value-type.ts';
import type { Result } from '../problem.ts';
import { ok } from '../problem.ts';
import type { Invocation } from './command.ts';

/** The image that a command line names with its first operand. */
export function imageOperand({
  operands: [text = ''],
  workingDirectory,
}: Pick<Invocation, 'operands' | 'workingDirectory'>): Result<ImageRef> {
  const image = decodeOperand(imageSpec, text, (message) => ({
    reason: 'usage',
    message: `IMAGE ${message}`,
    where: { kind: 'flag', flag: 'IMAGE', value: text },
    hint: 'expected DISTRIBUTION:RELEASE, NAME, NAME,file=PATH, NAME,http=URL or USER/BOX:VERSION',
  }));
  return image.ok ? ok(absolute(imageSpec, image.value, workingDirectory)) : image;
}
