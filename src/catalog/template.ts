/** Values of the placeholders in a template, by their names. */
export type Words = Readonly<Record<string, string>>;

const PLACEHOLDER = /\{([a-z][a-z-]*)\}/g;

/**
 * Placeholders that are known only when a build has been found: the build, its parts before and after its last hyphen,
 * the URL of the image, that of the directory it is in, and that of its checksum file.
 */
export const LATE_PLACEHOLDERS: readonly string[] = [
  'build',
  'build-head',
  'build-tail',
  'image',
  'directory',
  'checksums',
];

/** A build that a server may name: a path component that begins with a digit, so that `latest` is none. */
const BUILD = String.raw`\d[\w.-]*`;
const PATTERNS: Words = {
  build: BUILD,
  'build-head': String.raw`\d[\w.]*`,
  'build-tail': String.raw`[\w.]+`,
};

/** Replaces the placeholders that have a value; others stay. */
export function filled(template: string, words: Words): string {
  return template.replaceAll(PLACEHOLDER, (placeholder, name: string) => words[name] ?? placeholder);
}

/** The placeholders of a template that neither have a value nor will get one. */
export function unknownPlaceholders(template: string, words: Words): string[] {
  const names = [...template.matchAll(PLACEHOLDER)].map(([, name = '']) => name);
  return names.filter((name) => !(name in words) && !LATE_PLACEHOLDERS.includes(name));
}

/** Values of the placeholders for a build. */
export function wordsOfBuild(build: string): Words {
  const hyphen = build.lastIndexOf('-');
  const [head, tail] = hyphen < 0 ? [build, build] : [build.slice(0, hyphen), build.slice(hyphen + 1)];
  return { build, 'build-head': head, 'build-tail': tail };
}

/** The build in a name that a template describes; undefined for other names. */
export function buildIn(name: string, template: string): string | undefined {
  const seen = new Set<string>();
  const pattern = template
    .split(/(\{[a-z-]+\})/)
    .map((part) => {
      const placeholder = /^\{(.+)\}$/.exec(part)?.[1] ?? '';
      const form = PATTERNS[placeholder];
      if (form === undefined) return part.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&');
      const group = placeholder.replaceAll('-', '_');
      if (seen.has(group)) return `\\k<${group}>`;
      seen.add(group);
      return `(?<${group}>${form})`;
    })
    .join('');
  const { build, build_head: head, build_tail: tail } = new RegExp(`^${pattern}$`).exec(name)?.groups ?? {};
  if (build !== undefined) return build;
  if (head === undefined || tail === undefined) return undefined;
  return `${head}-${tail}`;
}
