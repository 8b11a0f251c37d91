// The speed of whole commands against doing the same by hand, in one run on one machine:
//   npm run bench -- [--pairs NUMBER] [--only WORD] [--json FILE] [--docs]
// Medians of interleaved pairs. --docs writes the table, the numbers and the plot of docs/benchmarks.md.
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { measure } from './measure.ts';
import { phasesOfSessions } from './phases.ts';
import { writeDocs } from './docs.ts';
import type { Row } from './row.ts';
import { oneCopy, tenCopies } from './rows/copies.ts';
import { firstLogin, keptByName } from './rows/images-by-name.ts';
import { retrieval } from './rows/retrieval.ts';
import { fourVms, session } from './rows/sessions.ts';
import { sharedFolder } from './rows/shared-folder.ts';
import { startUps } from './rows/start-up.ts';
import type { Result } from './table.ts';
import { machine, resultOf, tableOf } from './table.ts';
import { makeWorld } from './world.ts';

const ROWS: readonly Row[] = [
  session,
  ...startUps,
  retrieval,
  oneCopy,
  tenCopies,
  fourVms,
  sharedFolder,
  keptByName,
  firstLogin,
];

const { values } = parseArgs({
  options: {
    pairs: { type: 'string', default: '5' },
    only: { type: 'string', default: '' },
    json: { type: 'string' },
    docs: { type: 'boolean', default: false },
  },
});

const world = await makeWorld();
try {
  const results: Result[] = [];
  for (const row of ROWS.filter(({ what }) => what.includes(values.only))) {
    process.stderr.write(`${row.what}, against ${row.against} `);
    const measured = await measure(row, world, Number(values.pairs), () => process.stderr.write('.'));
    const result = resultOf(measured);
    process.stderr.write(` ${result.ratio.toFixed(2)} ×\n`);
    results.push(result);
  }
  console.log(tableOf(results));
  const run = { measured: new Date().toISOString().slice(0, 10), machine: machine(), results };
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(run, undefined, 2)}\n`);
  if (values.docs) writeDocs(run, await phasesOfSessions(world, Number(values.pairs)));
} finally {
  world.remove();
}
