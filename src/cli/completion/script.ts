import type { CommandDef, Shell } from '../command.ts';
import { bashScript } from './bash.ts';
import { fishScript } from './fish.ts';
import type { Stage } from './model.ts';
import { stagesOf } from './model.ts';
import { zshScript } from './zsh.ts';

const SCRIPTS: Readonly<Record<Shell, (stages: readonly Stage[]) => string>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
};

/** Completion script for a shell; it runs this program to look up names, and nothing else. */
export function completionScript(shell: Shell, commands: readonly CommandDef[]): string {
  return SCRIPTS[shell](stagesOf(commands));
}
