import { chmodSync, copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, inject, test } from 'vitest';
import type { CodeBlock } from '../docs/markdown.ts';
import { codeBlocks } from '../docs/markdown.ts';
import type { Rig } from '../rig/rig.ts';
import { guest, realRig } from './guests.ts';

/** What a page shows is done in its order: files are written, commands are run, and text is what they print. */
test('docs/getting-started.md does what it says, from top to bottom', async () => {
  await using rig = realRig();
  prepare(rig);
  let printed = '';
  for (const block of codeBlocks(readFileSync('docs/getting-started.md', 'utf8'))) {
    if (block.language === 'sh') printed = await run(rig, block);
    if (block.language === 'text') expect(portable(printed, rig), `line ${block.line}`).toBe(block.text);
    if (block.file !== undefined) rig.write({ [block.file]: block.text });
  }
});

/** The image, and `transient` on PATH; guests are emulated here, which costs time and is nothing to be warned of. */
function prepare(rig: Rig): void {
  const image = guest('tiny').replace(/^.*file=/, '');
  copyFileSync(image, join(rig.work, 'base.qcow2'));
  const program = join(rig.root, 'bin/transient');
  rig.write({ '../bin/transient': `#!/bin/sh\nexec ${process.execPath} ${inject('binary')} "$@"\n` });
  chmodSync(program, 0o755);
  rig.environment['PATH'] = `${join(rig.root, 'bin')}:${rig.environment['PATH'] ?? ''}`;
}

/** Runs the lines of a block one after the other; what needs the clone of this repository has been done already. */
async function run(rig: Rig, { text, line }: CodeBlock): Promise<string> {
  if (text.includes('scripts/guest-image')) return '';
  const { exitCode, stdout, stderr } = await rig.command(['sh', '-e', '-c', text]);
  expect(exitCode, `line ${line}: ${text}\n${stderr.text}`).toBe(0);
  return stdout.text;
}

/** The page cannot know where it is read, nor how long that path is, which columns stand behind. */
function portable(text: string, rig: Rig): string {
  return text.replaceAll(rig.work, '…').replaceAll(/ +(?= {3}needs )/g, '');
}
