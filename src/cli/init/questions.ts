import { readdir } from 'node:fs/promises';
import { createInterface } from 'node:readline/promises';
import { projectNameFrom } from '../../config/transientfile.ts';
import { OPTIONS } from '../../options/table.ts';
import { TransientError } from '../../problem.ts';
import type { InitAnswers } from './text.ts';

/** Questions in the order they are asked. */
const QUESTIONS: Readonly<Record<keyof InitAnswers, string>> = {
  name: 'Name of the project',
  image: 'Image (such as debian:13, NAME or NAME,PROTOCOL=SOURCE)',
  memory: 'Memory of the VM',
  command: 'Command to run in it',
};

/** Matches names of image files. */
const IMAGE_FILE = /^(?!\.).*\.(qcow2|img|raw|vmdk|vdi|vhdx)(\.(gz|bz2|xz|zst))?$/;

/** Default answers for a directory. */
export async function sensibleAnswers(directory: string): Promise<InitAnswers> {
  const files = (await readdir(directory)).filter((file) => IMAGE_FILE.test(file)).sort();
  return {
    name: projectNameFrom(directory),
    image: files[0] === undefined ? 'debian:13' : `base,file=./${files[0]}`,
    memory: String(OPTIONS.memory.default),
    command: 'uname -a',
  };
}

/** Asks on the terminal for missing answers; an empty answer selects the default. */
export async function askFor(
  given: Partial<InitAnswers>,
  sensible: InitAnswers,
  interrupt: () => void,
  signal: AbortSignal,
): Promise<InitAnswers> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  terminal.once('SIGINT', interrupt);
  const ended = new Promise<never>((_resolve, reject) => terminal.once('close', () => reject(noAnswer())));
  ended.catch(() => undefined);
  const answers = { ...sensible, ...given };
  try {
    for (const [key, question] of Object.entries(QUESTIONS) as [keyof InitAnswers, string][]) {
      if (given[key] !== undefined) continue;
      const asked = terminal.question(`${question} [${sensible[key]}]: `, { signal });
      const answer = (await Promise.race([asked, ended])).trim();
      if (answer !== '') answers[key] = answer;
    }
    return answers;
  } catch (error) {
    // ends the line of the pending question
    process.stderr.write('\n');
    throw error;
  } finally {
    terminal.close();
  }
}

function noAnswer(): TransientError {
  return new TransientError({
    reason: 'usage',
    message: 'no answer given; nothing was written',
    hint: '--yes accepts the answers in brackets',
  });
}
