import { open } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { pipeline, Readable } from 'node:stream';
import type { ReadableStream as WebReadableStream } from 'node:stream/web';
import { createGunzip } from 'node:zlib';
import type * as Xz from 'xz-decompress';
import { filter, filterInto } from '../../host/filter.ts';
import { hasProgram } from '../../host/program.ts';
import type { Problem } from '../../problem.ts';
import { TransientError, systemMessage } from '../../problem.ts';
import { Source } from './source.ts';
import type { Space } from '../../host/space.ts';

/** Turns compressed bytes into plain ones as they come. */
type Decompress = (bytes: AsyncIterable<Buffer>) => AsyncIterable<Buffer>;

/** One way in which a file can be compressed. */
interface Kind {
  readonly name: string;
  /** The bytes that such a file begins with. */
  readonly magic: Buffer;
  readonly decompress: Decompress;
  /** A program that writes to a file by itself and leaves holes in it: for large disks twice as quick as through us. */
  readonly program?: readonly [string, ...string[]];
}

const KINDS: readonly Kind[] = [
  { name: 'gzip', magic: Buffer.from('1f8b', 'hex'), decompress: gunzip },
  { name: 'bzip2', magic: Buffer.from('BZh'), decompress: throughProgram('bzip2', ['-dc']) },
  { name: 'xz', magic: Buffer.from('fd377a585a00', 'hex'), decompress: unxz, program: ['xz', '-dc', '-T0'] },
  {
    name: 'zstd',
    magic: Buffer.from('28b52ffd', 'hex'),
    decompress: throughProgram('zstd', ['-dc', `-M${memoryForZstd()}MB`]),
  },
];

/**
 * How much memory zstd may take to decompress, in MB: a file says itself how far back it refers, 2 GB at most
 * (`zstd --long=31`). A host with little memory is not to lose its half by one image.
 */
function memoryForZstd(): number {
  return Math.min(2048, Math.max(128, Math.floor(totalmem() / 4 / (1 << 20))));
}

/** How often a file that a program writes is looked at, in milliseconds. */
const WATCH_INTERVAL = 100;

/** What was compressed by gzip, as it was before. */
export function gunzipped(bytes: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  const source = new Source(bytes);
  return explaining('gzip', source, gunzip(source.bytes()));
}

/** A file's compression. */
export class Compression {
  readonly #kind: Kind;

  private constructor(kind: Kind) {
    this.#kind = kind;
  }

  /** By the first bytes of the file; undefined where it is not compressed. */
  static of(head: Buffer): Compression | undefined {
    const kind = KINDS.find(({ magic }) => head.subarray(0, magic.length).equals(magic));
    return kind && new Compression(kind);
  }

  /** The plain bytes as they come. */
  plain(bytes: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
    const source = new Source(bytes);
    return explaining(this.#kind.name, source, this.#kind.decompress(source.bytes()));
  }

  /** Whether {@link writeTo} can be used here. */
  async writes(): Promise<boolean> {
    const { program } = this.#kind;
    return program !== undefined && hasProgram(program[0]);
  }

  /** As many plain bytes as the beginning of a file holds, at least `count` where it holds that many. */
  async plainHead(head: Buffer, count: number): Promise<Buffer> {
    const chunks: Buffer[] = [];
    let size = 0;
    try {
      for await (const chunk of this.#kind.decompress(only(head))) {
        chunks.push(chunk);
        size += chunk.length;
        if (size >= count) break;
      }
    } catch {
      // a beginning is cut off, of course
    }
    return Buffer.concat(chunks);
  }

  /** Writes the plain bytes to a new file, by the program itself. */
  async writeTo(path: string, bytes: AsyncIterable<Buffer>, space: Space): Promise<void> {
    const [program = '', ...args] = this.#kind.program ?? [];
    const source = new Source(bytes);
    await using file = await open(path, 'w', 0o600);
    const full = new AbortController();
    const watch = async (): Promise<void> => {
      const { size } = await file.stat();
      space.mustHold(size);
    };
    const timer = setInterval(
      () => void watch().catch((error: unknown) => full.abort(error)),
      WATCH_INTERVAL,
    );
    try {
      await filterInto(file.fd, program, args, source.bytes(), full.signal);
      await watch();
    } catch (cause) {
      if (full.signal.aborted) throw full.signal.reason as Error;
      if (!source.failed) await space.mustHaveRoom();
      throw explained(this.#kind.name, source, cause);
    } finally {
      clearInterval(timer);
    }
  }
}

async function* only(chunk: Buffer): AsyncGenerator<Buffer> {
  yield await Promise.resolve(chunk);
}

function gunzip(bytes: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  const transform = createGunzip({ chunkSize: 256 * 1024 });
  // a fault of either end reaches whoever reads
  pipeline(Readable.from(bytes), transform, () => undefined);
  return transform as AsyncIterable<Buffer>;
}

function throughProgram(program: string, args: readonly string[]): Decompress {
  return (bytes) => filter(program, args, bytes);
}

/** The xz program uses all processors; the WebAssembly package is for hosts that do not have it. */
async function* unxz(bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  if (await hasProgram('xz')) yield* filter('xz', ['-dc', '-T0'], bytes);
  else yield* unxzByPackage(bytes);
}

async function* unxzByPackage(bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const loaded = (await import('xz-decompress')) as typeof Xz & { default?: typeof Xz };
  // it is CommonJS: what it exports is below `default` in our bundle, and is not in its types
  const { XzReadableStream } = loaded.default ?? loaded;
  const source = Readable.toWeb(Readable.from(bytes, { objectMode: false }));
  const plain = new XzReadableStream(source as ReadableStream<Uint8Array>);
  yield* asBuffers(Readable.fromWeb(plain as WebReadableStream));
}

async function* asBuffers(stream: Readable): AsyncGenerator<Buffer> {
  for await (const chunk of stream) yield Buffer.from(chunk as Uint8Array);
}

/** Tells a fault of the compressed data as such; what the source itself threw is passed on. */
async function* explaining(
  name: string,
  source: Source,
  bytes: AsyncIterable<Buffer>,
): AsyncGenerator<Buffer> {
  try {
    yield* bytes;
  } catch (cause) {
    throw explained(name, source, cause);
  }
}

function explained(name: string, source: Source, cause: unknown): unknown {
  if (source.failed || isMissing(cause)) return cause;
  if (takesTooMuchMemory(cause)) return tooMuchMemory(cause);
  const problem: Problem = {
    reason: 'image',
    message: `the image's ${name} data is broken: ${wordsOf(cause)}`,
    hint: 'it may be incomplete; look at where it comes from',
  };
  return new TransientError(problem, { cause });
}

/** zstd's words for a file that refers further back than it may keep in memory. */
function takesTooMuchMemory(cause: unknown): boolean {
  const said = cause instanceof TransientError ? (cause.problem.details ?? []) : [];
  return said.some((line) => /requires too much memory|Window size larger/i.test(line));
}

function tooMuchMemory(cause: unknown): TransientError {
  return new TransientError(
    {
      reason: 'image',
      message:
        "decompressing the image's zstd data takes more memory than a quarter of what this host has, or 2 GB",
      hint: 'if you trust it, decompress it yourself and name the file: NAME,file=PATH',
    },
    { cause },
  );
}

function isMissing(cause: unknown): boolean {
  return cause instanceof TransientError && cause.problem.reason === 'missing-program';
}

/** What a program said last, else the error's own words. */
function wordsOf(cause: unknown): string {
  const said = cause instanceof TransientError ? cause.problem.details?.at(-1) : undefined;
  return said ?? systemMessage(cause);
}
