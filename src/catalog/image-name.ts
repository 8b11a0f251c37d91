/** The parts of a name of the catalogue, `DISTRIBUTION[:TAG][@BUILD]`; the tag is a release and may end with a variant. */
export interface ImageName {
  readonly distribution: string;
  readonly tag?: string;
  readonly build?: string;
}

const NAME =
  /^(?<distribution>[a-z][a-z0-9-]*)(?::(?<tag>[A-Za-z0-9][\w.-]*))?(?:@(?<build>[A-Za-z0-9][\w.-]*|sha256:[0-9a-fA-F]{64}|sha512:[0-9a-fA-F]{128}))?$/;

/** Splits a name of the catalogue; undefined for a text of another form. */
export function parseImageName(text: string): ImageName | undefined {
  const { distribution, tag, build } = NAME.exec(text)?.groups ?? {};
  if (distribution === undefined || build?.includes('..')) return undefined;
  return {
    distribution,
    ...(tag === undefined ? {} : { tag }),
    ...(build === undefined ? {} : { build: build.includes(':') ? build.toLowerCase() : build }),
  };
}
