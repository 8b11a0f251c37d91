import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { OPTION_TABLE } from '../../src/options/table.ts';
import { LanguageServer } from '../rig/language-server.ts';
import { Rig } from '../rig/rig.ts';

test('an editor completes and checks a file that init wrote, by the schema that lies beside it', async () => {
  await using rig = new Rig();
  await rig.run(['init', '--yes', '--image', 'base,file=./base.qcow2']);
  const path = join(rig.work, 'Transientfile.toml');
  const written = readFileSync(path, 'utf8').trimEnd().split('\n');
  const lines = [...written, 'cpus = "two"', '', ''];
  const editor = await LanguageServer.open(path, rig.work, lines.join('\n'));

  expect(await editor.diagnostics()).toEqual([[written.length, '"two" is not of type "integer"']]);

  const offered = await editor.completions(written.length + 1);
  expect(offered.map(({ label }) => label)).toEqual(
    expect.arrayContaining(['depends-on', 'ready-command', 'shared-folder', 'accel']),
  );
  expect(offered.find(({ label }) => label === 'accel')?.documentation?.value).toContain(
    OPTION_TABLE.accel.help,
  );
  // what the file has already is not offered again
  expect(offered.map(({ label }) => label)).not.toContain('cpus');
});
