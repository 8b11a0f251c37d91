import { setTimeout as delay } from 'node:timers/promises';
import { beforeAll, expect, test } from 'vitest';
import { pageOf } from './messages/page.ts';
import { inParallel } from './messages/parallel.ts';
import type { Provoked, Scenario } from './messages/scenario.ts';
import { messageOf } from './messages/problem-text.ts';
import { Fixture } from './messages/fixture.ts';
import { matches, messagesOfProblems, patternOf, requirementsOf } from './messages/source.ts';
import { TOPICS } from './messages/topics.ts';
import { UNPROVOKED } from './messages/unprovoked.ts';

const MINUTE = 60_000;

/** Scenarios wait more than they compute. */
const AT_A_TIME = 6;

let all: readonly Provoked[] = [];

beforeAll(async () => {
  all = await playAll(TOPICS.flatMap(({ scenarios }) => scenarios));
}, 4 * MINUTE);

test('docs/messages.md has each message as it is printed', async () => {
  const topics = TOPICS.map((topic) => ({
    topic,
    provoked: all.filter(({ scenario }) => topic.scenarios.includes(scenario)),
  }));
  await expect(pageOf(topics)).toMatchFileSnapshot('../../docs/messages.md');
});

test('each message is of the form that its heading says', () => {
  const others = all.filter(({ scenario, problems }) => !problems.some(isOf(scenario.form)));
  expect(others.map(({ scenario, problems }) => [scenario.form, ...problems])).toEqual([]);
});

test('no message is of a fault of ours', () => {
  const problems = all.flatMap(({ problems }) => problems);
  expect(problems.filter((problem) => problem.includes('internal error'))).toEqual([]);
});

test('every message of the source is provoked, or listed with the reason why not', () => {
  const messages = all.flatMap(({ problems }) => problems.map(messageOf));
  const sourceMessages = [
    ...messagesOfProblems('src'),
    ...requirementsOf('src/options'),
    ...requirementsOf('src/config'),
  ];
  const unsaid = sourceMessages.filter((message) => !messages.some((one) => matches(message, one)));
  const excused = Object.values(UNPROVOKED).flat();
  const missing = unsaid.filter(({ text }) => !excused.includes(text));
  expect(missing.map(({ text, place }) => `${place}: ${text}`)).toEqual([]);
  expect(excused.filter((text) => !unsaid.some((message) => message.text === text))).toEqual([]);
});

async function playAll(scenarios: readonly Scenario[]): Promise<Provoked[]> {
  const outcomes = await inParallel(scenarios, AT_A_TIME, play);
  const failures = outcomes.filter((outcome) => typeof outcome === 'string');
  if (failures.length > 0) throw new Error(failures.join('\n\n'));
  return outcomes.filter((outcome) => typeof outcome !== 'string');
}

/** Plays a scenario; what went wrong with it as text. */
async function play(scenario: Scenario): Promise<Provoked | string> {
  let log = '';
  try {
    await using fixture = new Fixture(scenario);
    return await Promise.race([fixture.play(), tooLong()]).finally(() => (log = fixture.log()));
  } catch (error) {
    return `${scenario.form}: ${String(error)}\n${log}`;
  }
}

/** Rejects when a scenario cannot be going on any more. */
async function tooLong(): Promise<never> {
  await delay(MINUTE, undefined, { ref: false });
  throw new Error('it does not end');
}

/** Whether a problem is one of a general form, in which words in capitals stand for anything. */
function isOf(form: string): (problem: string) => boolean {
  const pattern = new RegExp(patternOf(form.split(/\b[A-Z]{2,}\b|…/)));
  return (problem) => pattern.test(messageOf(problem));
}
