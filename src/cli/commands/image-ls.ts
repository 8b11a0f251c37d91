import type { ImageRow } from '../../image/list.ts';
import { ok } from '../../problem.ts';
import { amount } from '../../run/progress-text.ts';
import type { CommandDef } from '../command.ts';
import { jsonText, table } from '../table.ts';
import { storesIn } from '../typed-layers.ts';

/** `image ls`: lists the images of the backend. */
export const imageLs: CommandDef = {
  name: 'image ls',
  scope: 'everywhere',
  help: 'list the images of the backend',
  switches: [{ flags: '--json', help: 'print a JSON array of { name, virtualSize, realSize, added }' }],
  run: async (invocation, output) => {
    const { imageRows } = await import('../../image/list.ts');
    const rows = await imageRows(storesIn(invocation).backend);
    return ok(output.print(invocation.switches['json'] === true ? jsonText(rows) : imageTable(rows)));
  },
};

function imageTable(images: readonly ImageRow[]): string {
  const rows = images.map(({ name, virtualSize, realSize, added }) => [
    name,
    amount(virtualSize),
    amount(realSize),
    added.replace('T', ' ').slice(0, 16),
  ]);
  return table([['NAME', 'VIRTUAL SIZE', 'REAL SIZE', 'ADDED (UTC)'], ...rows]);
}
