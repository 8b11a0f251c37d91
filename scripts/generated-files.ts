// Every file of the repository that is made from the tables in src/; scripts/generate.ts writes them,
// and a test compares them.
import { jsonSchema } from '../src/config/json-schema.ts';
import { transientfileSchema } from '../src/config/transientfile-schema.ts';
import { commandsReference } from './commands-reference.ts';
import { endingsReference } from './endings-reference.ts';
import { exampleTransientfile } from './example-transientfile.ts';
import { transientfileReference } from './transientfile-reference.ts';
import { typeSchema } from './type-schema.ts';

/** Paths below the repository's root with the text that they should have. */
export function generatedFiles(): Map<string, string> {
  return new Map([
    ['schemas/transientfile.schema.json', jsonSchema('Transientfile.toml', transientfileSchema())],
    ['schemas/plan.schema.json', typeSchema('Output of transient plan --json', 'PlanDocument')],
    ['schemas/report.schema.json', typeSchema('File written by --report json=FILE', 'RunReport')],
    ['Transientfile.example.toml', exampleTransientfile()],
    ['docs/commands.md', commandsReference()],
    ['docs/transientfile.md', transientfileReference()],
    ['docs/endings.md', endingsReference()],
  ]);
}
