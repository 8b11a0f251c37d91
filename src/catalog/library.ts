import { readdirSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import type { Document } from '../config/document.ts';
import { parseDocument, readDocument } from '../config/document.ts';
import { placed } from '../config/locate.ts';
import type { Environment } from '../config/merge.ts';
import { errorCode, failed, ok, systemMessage } from '../problem.ts';
import type { Problem, Result } from '../problem.ts';
import { BUNDLED } from './bundle.ts';
import type { KeySource } from './catalog-image.ts';
import type { Distribution } from './distribution.ts';
import { DISTRIBUTION_NAME, checkDistribution } from './distribution.ts';

/** A distribution and the file that describes it. */
export interface Entry {
  readonly name: string;
  /** `bundled`, or the path of the user's file. */
  readonly source: string;
  readonly document: Document;
  readonly distribution: Distribution;
  readonly keySource: (name: string) => KeySource;
}

const EXTENSION = '.toml';

/** Directory of the user's configuration of transient. */
export function configurationDirectory({ XDG_CONFIG_HOME: xdg, HOME: home }: Environment): string {
  if (xdg && isAbsolute(xdg)) return join(xdg, 'transient');
  return join(home ?? '/', '.config', 'transient');
}

/** The files of the catalogue: bundled ones, and the user's, which replace those of the same name. Each is parsed on first use. */
export class Library {
  /** Paths of the user's files, by distribution. */
  readonly #paths: ReadonlyMap<string, string>;
  /** Problems with the user's directory as a whole. */
  readonly problems: readonly Problem[];
  readonly #documents = new Map<string, Result<Document>>();
  readonly #entries = new Map<string, Result<Entry>>();

  constructor(environment: Environment) {
    const { paths, problems } = filesIn(join(configurationDirectory(environment), 'catalog'));
    this.#paths = paths;
    this.problems = problems;
  }

  /** Names of the distributions, without synonyms. */
  get names(): string[] {
    return [...new Set([...Object.keys(BUNDLED), ...this.#paths.keys()])].sort();
  }

  /** Name of the distribution that a name or a synonym stands for. */
  nameOf(word: string): string | undefined {
    if (word in BUNDLED || this.#paths.has(word)) return word;
    // the user's files are asked first
    const order = [...this.#paths.keys(), ...Object.keys(BUNDLED)];
    return order.find((name) => this.otherNames(name).includes(word));
  }

  /** Synonyms of a distribution; none if its file is invalid. */
  otherNames(name: string): string[] {
    const document = this.#document(name);
    const otherNames: unknown = document.ok ? document.value.data['other-names'] : undefined;
    return Array.isArray(otherNames) ? otherNames.filter((one) => typeof one === 'string') : [];
  }

  /** The distribution with this name. */
  entry(name: string): Result<Entry> {
    const entry = this.#entries.get(name) ?? this.#checked(name);
    this.#entries.set(name, entry);
    return entry;
  }

  /** Adds line and column to problems of files. */
  async placed(problems: readonly Problem[]): Promise<Problem[]> {
    let all = [...problems];
    for (const document of this.#documents.values()) {
      if (document.ok && all.some((problem) => isIn(problem, document.value)))
        all = await placed(all, document.value);
    }
    return all;
  }

  #checked(name: string): Result<Entry> {
    const document = this.#document(name);
    if (!document.ok) return document;
    const distribution = checkDistribution(document.value);
    if (!distribution.ok) return distribution;
    const path = this.#paths.get(name);
    const keySource = (key: string): KeySource =>
      path === undefined ? { kind: 'bundled', name: key } : { kind: 'file', path: join(dirname(path), key) };
    return ok({
      name,
      source: path ?? 'bundled',
      document: document.value,
      distribution: distribution.value,
      keySource,
    });
  }

  #document(name: string): Result<Document> {
    const path = this.#paths.get(name);
    const document =
      this.#documents.get(name) ??
      (path === undefined
        ? parseDocument(BUNDLED[name] ?? '', `${name}${EXTENSION} of the catalogue`)
        : readDocument(path, path));
    this.#documents.set(name, document);
    return document;
  }
}

function isIn({ where }: Problem, { file }: Document): boolean {
  return where?.kind === 'file' && where.file === file;
}

function filesIn(directory: string): { paths: Map<string, string>; problems: Problem[] } {
  const names = namesIn(directory);
  if (!names.ok) return { paths: new Map(), problems: [...names.problems] };
  const files = names.value
    .filter((file) => file.endsWith(EXTENSION))
    .map((file) => file.slice(0, -EXTENSION.length));
  const isValid = (name: string): boolean => DISTRIBUTION_NAME.test(name);
  return {
    paths: new Map(files.filter(isValid).map((name) => [name, join(directory, `${name}${EXTENSION}`)])),
    problems: files
      .filter((name) => !isValid(name))
      .map((name) => misnamed(join(directory, `${name}${EXTENSION}`))),
  };
}

function namesIn(directory: string): Result<string[]> {
  try {
    return ok(readdirSync(directory));
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return ok([]);
    return failed({
      reason: 'unreadable',
      message: `cannot read the directory ${directory}: ${systemMessage(error)}`,
    });
  }
}

function misnamed(path: string): Problem {
  return {
    reason: 'invalid-value',
    message: 'the name of the file is not that of a distribution',
    where: { kind: 'file', file: path },
    hint: 'name it by lower-case letters, digits and hyphens, such as company-linux.toml',
  };
}
