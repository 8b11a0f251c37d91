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
import { ByteSource } from './source.ts';
import type { Space } from '../../host/space.ts';

/** Decompresses a stream of bytes. */
type Decompress = (bytes: AsyncIterable<Buffer>) => AsyncIterable<Buffer>;

/** A compression format. */
interface Kind {
  readonly name: string;
  /** Magic number at the beginning of the file. */
  readonly magic: Buffer;
  readonly decompress: Decompress;
  /**
   * A program that writes its output sparsely to a file by itself: for large disks twice as fast as through this
   * process.
   */
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
 * Memory limit for zstd, in MB. The file itself sets the size of its window, up to 2 GB (`zstd --long=31`), and an
 * image must not take half the memory of a small host.
 */
function memoryForZstd(): number {
  return Math.min(2048, Math.max(128, Math.floor(totalmem() / 4 / (1 << 20))));
}

/** Poll interval for a file that a program writes, in milliseconds. */
const WATCH_INTERVAL = 100;

/** Decompresses gzip data. */
export function gunzipped(bytes: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  const source = new ByteSource(bytes);
  return explaining('gzip', source, gunzip(source.bytes()));
}

/** A file's compression. */
export class Compression {
  readonly #kind: Kind;

  private constructor(kind: Kind) {
    this.#kind = kind;
  }

  /** Detects the compression by the first bytes of a file; undefined if it is not compressed. */
  static of(head: Buffer): Compression | undefined {
    const kind = KINDS.find(({ magic }) => head.subarray(0, magic.length).equals(magic));
    return kind && new Compression(kind);
  }

  /** Decompresses the bytes as they arrive. */
  plain(bytes: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
    const source = new ByteSource(bytes);
    return explaining(this.#kind.name, source, this.#kind.decompress(source.bytes()));
  }

  /** Whether {@link writeTo} can be used here. */
  async writes(): Promise<boolean> {
    const { program } = this.#kind;
    return program !== undefined && hasProgram(program[0]);
  }

  /** Decompresses the beginning of a file: at least `count` bytes if it holds that many. */
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
      // the beginning of a file is always truncated
    }
    return Buffer.concat(chunks);
  }

  /** Has the program write the decompressed bytes to a new file. */
  async writeTo(path: string, bytes: AsyncIterable<Buffer>, space: Space): Promise<void> {
    const [program = '', ...args] = this.#kind.program ?? [];
    const source = new ByteSource(bytes);
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
  // errors of either end reach the reader
  pipeline(Readable.from(bytes), transform, () => undefined);
  return transform as AsyncIterable<Buffer>;
}

function throughProgram(program: string, args: readonly string[]): Decompress {
  return (bytes) => filter(program, args, bytes);
}

/**
 * Decompresses with the xz program, which uses all processors, or with a WebAssembly package if it is not installed.
 */
async function* unxz(bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  if (await hasProgram('xz')) yield* filter('xz', ['-dc', '-T0'], bytes);
  else yield* unxzByPackage(bytes);
}

async function* unxzByPackage(bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const loaded = (await import('xz-decompress')) as typeof Xz & { default?: typeof Xz };
  // a CommonJS package: in our bundle its exports are below `default`, which its types do not say
  const { XzReadableStream } = loaded.default ?? loaded;
  const source = Readable.toWeb(Readable.from(bytes, { objectMode: false }));
  const plain = new XzReadableStream(source as ReadableStream<Uint8Array>);
  yield* asBuffers(Readable.fromWeb(plain as WebReadableStream));
}

async function* asBuffers(stream: Readable): AsyncGenerator<Buffer> {
  for await (const chunk of stream) yield Buffer.from(chunk as Uint8Array);
}

/** Reports errors in the compressed data as such; errors of the source itself are passed on. */
async function* explaining(
  name: string,
  source: ByteSource,
  bytes: AsyncIterable<Buffer>,
): AsyncGenerator<Buffer> {
  try {
    yield* bytes;
  } catch (cause) {
    throw explained(name, source, cause);
  }
}

function explained(name: string, source: ByteSource, cause: unknown): unknown {
  if (source.failed || isMissing(cause)) return cause;
  if (exceedsMemoryLimit(cause)) return tooMuchMemory(cause);
  const problem: Problem = {
    reason: 'image',
    message: `the image's ${name} data is corrupt: ${reasonOf(cause)}`,
    hint: 'it may be incomplete; check its source',
  };
  return new TransientError(problem, { cause });
}

/** Matches zstd's message for a window larger than its memory limit. */
function exceedsMemoryLimit(cause: unknown): boolean {
  const details = cause instanceof TransientError ? (cause.problem.details ?? []) : [];
  return details.some((line) => /requires too much memory|Window size larger/i.test(line));
}

function tooMuchMemory(cause: unknown): TransientError {
  return new TransientError(
    {
      reason: 'image',
      message:
        "decompressing the image's zstd data needs more than a quarter of this host's memory, or more than 2 GB",
      hint: 'if you trust it, decompress it yourself and use the file: NAME,file=PATH',
    },
    { cause },
  );
}

function isMissing(cause: unknown): boolean {
  return cause instanceof TransientError && cause.problem.reason === 'missing-program';
}

/** The last line that a program printed, or the error's own message. */
function reasonOf(cause: unknown): string {
  const lastLine = cause instanceof TransientError ? cause.problem.details?.at(-1) : undefined;
  return lastLine ?? systemMessage(cause);
}
