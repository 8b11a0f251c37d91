import { constants, createReadStream } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { open, readFile } from 'node:fs/promises';
import { TransientError, errorCode, isSystemError, systemMessage } from '../problem.ts';

const READ_SIZE = 1 << 20;

/** Unit of block device sizes in sysfs, in bytes (Linux, Documentation/block/stat.rst). */
const SECTOR = 512;

/** An image file on the host: a regular file or a block device. */
export class SourceFile implements AsyncDisposable {
  readonly #path: string;
  readonly #file: FileHandle;
  readonly size: number;

  private constructor(path: string, file: FileHandle, size: number) {
    this.#path = path;
    this.#file = file;
    this.size = size;
  }

  /** Opens a file without blocking, as opening a FIFO would until it has a writer. */
  static async open(path: string): Promise<SourceFile> {
    let file: FileHandle | undefined;
    try {
      file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
      return new SourceFile(path, file, await sizeOf(file, path));
    } catch (cause) {
      await file?.close();
      // a socket without a listener
      if (errorCode(cause) === 'ENXIO') throw unreadable(path, new WrongKind(NEITHER));
      throw isSystemError(cause) || cause instanceof WrongKind ? unreadable(path, cause) : cause;
    }
  }

  async *bytes(onProgress: (done: number) => void, signal?: AbortSignal): AsyncGenerator<Buffer> {
    let done = 0;
    const options = { fd: this.#file, start: 0, autoClose: false, highWaterMark: READ_SIZE };
    try {
      for await (const chunk of createReadStream('', options) as AsyncIterable<Buffer>) {
        signal?.throwIfAborted();
        done += chunk.length;
        onProgress(done);
        yield chunk;
      }
    } catch (cause) {
      signal?.throwIfAborted();
      throw isSystemError(cause) ? unreadable(this.#path, cause) : cause;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }
}

/** A file that cannot be read repeatedly from beginning to end. */
class WrongKind extends Error {}

const NEITHER = 'it is neither a regular file nor a block device';

async function sizeOf(file: FileHandle, path: string): Promise<number> {
  const found = await file.stat();
  if (found.isFile()) return found.size;
  if (found.isDirectory()) throw Object.assign(new Error(), { code: 'EISDIR', syscall: 'read' });
  if (!found.isBlockDevice()) throw new WrongKind(NEITHER);
  return blockDeviceSize(found.rdev, path);
}

/** Size of a block device in bytes, which stat does not report. */
export async function blockDeviceSize(device: number, path: string): Promise<number> {
  const major = (device >>> 8) & 0xfff;
  const minor = (device & 0xff) | ((device >>> 12) & 0xfff00);
  const sectors = Number(await readFile(`/sys/dev/block/${major}:${minor}/size`, 'utf8').catch(() => 'NaN'));
  if (Number.isNaN(sectors)) throw new WrongKind(`the size of the block device ${path} is unknown`);
  return sectors * SECTOR;
}

function unreadable(path: string, cause: Error): TransientError {
  const hint = cause instanceof WrongKind ? { hint: 'save it as a file first, and use that' } : {};
  return new TransientError(
    { reason: 'unreadable', message: `cannot read the image file ${path}: ${systemMessage(cause)}`, ...hint },
    { cause },
  );
}
