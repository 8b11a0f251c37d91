import type { CatalogRow } from '../../catalog/catalog.ts';
import { ok } from '../../problem.ts';
import type { CommandDef } from '../command.ts';
import { jsonText, table } from '../table.ts';

/** `image search [WORD]`: lists the catalogue, without the network. */
export const imageSearch: CommandDef = {
  name: 'image search',
  operands: '[word]',
  scope: 'everywhere',
  help: 'list the images that can be used by name, or those that match a word',
  switches: [
    {
      flags: '--json',
      help: 'print a JSON array of { distribution, title, release, name, otherNames, variants, architectures, firmware, user, signed, source }',
    },
  ],
  run: async ({ operands: [word], environment, switches }, output) => {
    const { Catalog } = await import('../../catalog/catalog.ts');
    const rows = Catalog.open(environment).rows(word);
    if (!rows.ok) return rows;
    if (switches['json'] === true) return ok(output.print(jsonText(rows.value)));
    if (rows.value.length === 0) {
      return ok(output.note(`No image matches '${word ?? ''}'; "transient image search" lists all of them`));
    }
    return ok(output.print(catalogTable(rows.value)));
  },
};

function catalogTable(rows: readonly CatalogRow[]): string {
  const cells = rows.map((row) => [
    row.name,
    row.otherNames.join(', '),
    row.variants.join(', '),
    row.architectures.join(', '),
    row.firmware.join(', '),
    row.user,
    row.signed ? 'signed' : 'checksum',
  ]);
  const heads = ['NAME', 'OTHER NAMES', 'VARIANTS', 'ARCHITECTURES', 'FIRMWARE', 'USER', 'VERIFIED BY'];
  return table([heads, ...cells]);
}
