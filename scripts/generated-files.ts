// Every file of the repository that is made from the tables in src/; scripts/generate.ts writes them,
// and a test compares them.
import { jsonSchema } from '../src/config/json-schema.ts';
import { transientfileSchema } from '../src/config/transientfile-schema.ts';
import { commandsReference } from './commands-reference.ts';
import { endingsReference } from './endings-reference.ts';
import { exampleTransientfile } from './example-transientfile.ts';
import { planSchema } from './plan-schema.ts';
import { reportSchema } from './report-schema.ts';
import { transientfileReference } from './transientfile-reference.ts';

/** Paths below the repository's root with the text that they should have. */
export function generatedFiles(): Map<string, string> {
  return new Map([
    ['schemas/transientfile.schema.json', jsonSchema('Transientfile.toml', transientfileSchema())],
    ['schemas/plan.schema.json', jsonSchema('Output of transient plan --json', planSchema)],
    ['schemas/report.schema.json', jsonSchema('What --report json=FILE writes', reportSchema)],
    ['Transientfile.example.toml', exampleTransientfile()],
    ['docs/commands.md', commandsReference()],
    ['docs/transientfile.md', transientfileReference()],
    ['docs/endings.md', endingsReference()],
  ]);
}
