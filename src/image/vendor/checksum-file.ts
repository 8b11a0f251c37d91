/** A checksum of a file. */
export interface Sum {
  readonly algorithm: 'sha256' | 'sha512';
  /** Hexadecimal, in lower case. */
  readonly digest: string;
}

/** A line as BSD's tools write it. */
const BSD = /^(SHA256|SHA512) \((.+)\) = ([0-9a-fA-F]+)$/;

/** A line as sha256sum and sha512sum write it. */
const GNU = /^([0-9a-fA-F]{64}|[0-9a-fA-F]{128}) [ *]?(\S.*)$/;

const BARE = /^(?:[0-9a-fA-F]{64}|[0-9a-fA-F]{128})$/;

/** The checksum file of a vendor, in any form; lines that are no checksums are ignored. */
export class ChecksumFile {
  /** Checksums by file name; without a name in the file, the key is undefined. */
  readonly #sums: ReadonlyMap<string | undefined, readonly Sum[]>;

  private constructor(sums: ReadonlyMap<string | undefined, readonly Sum[]>) {
    this.#sums = sums;
  }

  static parse(text: string): ChecksumFile {
    const lines = text
      .split('\n')
      .map((line) => line.trimEnd())
      .filter((line) => line !== '');
    const [only = ''] = lines;
    if (lines.length === 1 && BARE.test(only)) return new ChecksumFile(new Map([[undefined, [sumOf(only)]]]));
    const sums = new Map<string, Sum[]>();
    for (const { name, sum } of lines.flatMap(namedSum)) {
      const earlier = sums.get(name) ?? [];
      if (!earlier.some(({ digest }) => digest === sum.digest)) sums.set(name, [...earlier, sum]);
    }
    return new ChecksumFile(sums);
  }

  /** Names of the files in it. */
  get names(): string[] {
    return [...this.#sums.keys()].filter((name) => name !== undefined);
  }

  /** The checksum of a file, the longer one if there are two; `contradictory` if they differ. */
  sumOf(name: string): Sum | 'contradictory' | undefined {
    const sums = this.#sums.get(name) ?? this.#sums.get(undefined) ?? [];
    const algorithms = new Set(sums.map(({ algorithm }) => algorithm));
    if (algorithms.size < sums.length) return 'contradictory';
    return sums.find(({ algorithm }) => algorithm === 'sha512') ?? sums[0];
  }
}

function namedSum(line: string): { name: string; sum: Sum }[] {
  const [, algorithm, bsdName = '', bsdDigest = ''] = BSD.exec(line) ?? [];
  const [, gnuDigest = '', gnuName = ''] = GNU.exec(line) ?? [];
  const [name, digest] = algorithm === undefined ? [gnuName, gnuDigest] : [bsdName, bsdDigest];
  if (!BARE.test(digest)) return [];
  const sum = sumOf(digest);
  if (algorithm !== undefined && algorithm.toLowerCase() !== sum.algorithm) return [];
  const plain = name.replace(/^\.\//, '');
  return plain.includes('/') ? [] : [{ name: plain, sum }];
}

/** A digest and the algorithm of its length. */
function sumOf(digest: string): Sum {
  return { algorithm: digest.length === 64 ? 'sha256' : 'sha512', digest: digest.toLowerCase() };
}
