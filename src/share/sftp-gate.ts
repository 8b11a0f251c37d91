import { Transform } from 'node:stream';
import type { Place } from './confined.ts';
import { Confined, NoSuchPlace, absolute } from './confined.ts';
import { Protection } from './protection.ts';
import {
  Fields,
  PacketStream,
  SFTP,
  STATUS,
  field,
  harmlessAttributes,
  packet,
  status,
} from './sftp-packets.ts';

/** Flags of an open (draft-ietf-secsh-filexfer-02, section 6.3). */
const OPEN = { read: 0x01, create: 0x08, exclusive: 0x20 };

/** The greeting, and requests about handles that went through here: their bytes flow through. Any other one is looked at. */
const PASSED: readonly number[] = [SFTP.init, SFTP.read, SFTP.write, SFTP.fstat, SFTP.readdir];

/** Extended requests of OpenSSH about handles, which can be passed on (OpenSSH, PROTOCOL, section 4). */
const ABOUT_HANDLES = ['fstatvfs@openssh.com', 'fsync@openssh.com', 'limits@openssh.com'];

/** So many directories of one folder can be open in a guest at once: each is an open file of ours. */
const MOST_DIRECTORIES = 512;

/** So many requests can wait for the server: each may hold a file of ours open. */
const MOST_WAITING = 1024;

/** More than these are not of a guest that reads its answers; nor are answers of ours that it leaves for so long, in bytes. */
const MOST_UNANSWERED = 16_384;
const MOST_UNREAD = 16 * 1024 * 1024;

/** Requests that change something, by their types. */
const CHANGES: readonly number[] = [
  ...[SFTP.write, SFTP.setstat, SFTP.fsetstat, SFTP.remove, SFTP.mkdir],
  ...[SFTP.rmdir, SFTP.rename, SFTP.symlink],
];

/** A request that we answer ourselves. */
class Refusal extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/**
 * Stands between a guest and an SFTP server of the host, which serves whatever its user can reach: paths of the guest
 * become places within one directory before the server sees them. What is read and written flows through as it is.
 */
export class SftpGate {
  /** From the guest to the server, and back. */
  readonly requests: Transform;
  readonly answers: Transform;
  readonly #confined: Confined;
  readonly #readonly: boolean;
  readonly #protection: Protection;
  /** What is held for requests that the server has not answered, by their ids. */
  readonly #held = new Map<number, Pending>();
  /** Directories that are open, by their handles. */
  readonly #directories = new Map<string, Place>();
  /** Handles of files that may be changed. One that nobody was told cannot be among them, nor one that is being closed. */
  readonly #changeable = new Set<string>();
  /** Our own answers, until the server has said the one in which it is. */
  readonly #ours: Buffer[] = [];
  #isWithinAnswer = false;

  /** `unchanged` are files of the host that stay as they are, wherever they are. */
  constructor(directory: string, readonly: boolean, unchanged: readonly string[] = []) {
    this.#confined = new Confined(directory);
    this.#readonly = readonly;
    this.#protection = new Protection(readonly ? [] : unchanged);
    const requests = new PacketStream((type) => !PASSED.includes(type) || (readonly && type === SFTP.write));
    this.requests = transform((chunk, push) => {
      for (const piece of requests.feed(chunk)) {
        if ('bytes' in piece) {
          if (piece.head) this.#expect(piece.head);
          push(piece.bytes);
        } else this.#request(piece.packet, push);
      }
    });
    const answers = new PacketStream((type) => type === SFTP.handle);
    this.answers = transform((chunk, push) => {
      for (const piece of answers.feed(chunk)) {
        if ('bytes' in piece) {
          if (piece.head) this.#settle(piece.head);
          push(piece.bytes);
          this.#isWithinAnswer = !piece.ends;
        } else {
          this.#settle(piece.packet);
          push(piece.packet);
        }
        if (!this.#isWithinAnswer) this.#ours.splice(0).forEach(push);
      }
    });
  }

  /** Whether the server owes the guest no answer. */
  get isIdle(): boolean {
    return this.#held.size === 0;
  }

  /** Gives back all that it has open. */
  close(): void {
    for (const { place } of this.#held.values()) place?.release();
    for (const place of this.#directories.values()) place.release();
    this.#held.clear();
    this.#directories.clear();
    this.#confined.close();
  }

  #expect(head: Buffer): void {
    if (head.readUInt8(4) !== SFTP.init) this.#hold(head.readUInt32BE(5), {});
  }

  #hold(id: number, pending: Pending): void {
    // what is held must not be given back by the answer to another request
    if (this.#held.has(id) || this.#held.size >= MOST_UNANSWERED) {
      pending.place?.release();
      throw new Error('requests that cannot be told apart');
    }
    this.#held.set(id, pending);
  }

  #request(whole: Buffer, push: (bytes: Buffer) => void): void {
    const id = whole.readUInt32BE(5);
    try {
      if (this.#held.size >= MOST_WAITING) throw new Refusal(STATUS.failure, 'too many requests at once');
      const translated = this.#translated(whole, id);
      if ('answer' in translated) {
        this.#answer(translated.answer);
        return;
      }
      const { bytes, ...pending } = translated;
      this.#hold(id, pending);
      push(bytes);
    } catch (error) {
      this.#answer(refusalOf(error, id));
    }
  }

  #answer(bytes: Buffer): void {
    if (this.answers.readableLength > MOST_UNREAD || this.#ours.length > MOST_WAITING)
      throw new Error('answers that nobody reads');
    if (this.#isWithinAnswer) this.#ours.push(bytes);
    else this.answers.push(bytes);
  }

  /** A request as the server is to see it. */
  #translated(whole: Buffer, id: number): Translated | { readonly answer: Buffer } {
    const type = whole.readUInt8(4);
    if (this.#readonly && CHANGES.includes(type)) throw readOnly();
    const fields = new Fields(whole);
    switch (type) {
      case SFTP.open:
        return this.#open(fields, id);
      case SFTP.opendir:
        return this.#openDirectory(fields, id);
      case SFTP.stat: {
        const place = this.#confined.found(fields.text());
        return { bytes: packet(type, id, field(place.path)), place };
      }
      case SFTP.setstat: {
        const place = this.#confined.found(fields.text());
        if (place.isFile && this.#protection.coversFile(place.path)) throw unchangeable(place);
        return { bytes: packet(type, id, field(place.path), harmlessAttributes(fields.rest())), place };
      }
      case SFTP.fsetstat: {
        const handle = fields.text();
        if (!this.#changeable.has(handle.toString('latin1'))) throw unchangeable();
        return { bytes: packet(type, id, field(handle), harmlessAttributes(fields.rest())) };
      }
      case SFTP.mkdir: {
        const place = this.#changing(fields.text());
        return { bytes: packet(type, id, field(place.path), harmlessAttributes(fields.rest())), place };
      }
      case SFTP.lstat:
      case SFTP.readlink: {
        const place = this.#confined.entry(fields.text());
        return { bytes: packet(type, id, field(place.path)), place };
      }
      case SFTP.remove:
      case SFTP.rmdir: {
        const place = this.#changing(fields.text());
        return { bytes: packet(type, id, field(place.path)), place };
      }
      case SFTP.rename:
        return this.#twoEntries(fields, (places) => packet(type, id, ...places));
      case SFTP.symlink: {
        // OpenSSH has the text of the link first, against the draft (PROTOCOL, section 4.1)
        const text = fields.text();
        const place = this.#changing(fields.text());
        return { bytes: packet(type, id, field(text), field(place.path)), place };
      }
      case SFTP.close: {
        const closes = fields.text().toString('latin1');
        this.#changeable.delete(closes);
        return { bytes: whole, closes };
      }
      case SFTP.realpath: {
        const path = field(absolute(fields.text()));
        return { answer: packet(SFTP.name, id, 1, path, path, 0) };
      }
      case SFTP.extended:
        return this.#extended(fields, whole, id);
      default:
        throw new Refusal(STATUS.permissionDenied, 'not in a shared folder');
    }
  }

  #open(fields: Fields, id: number): Translated {
    const [path, flags] = [fields.text(), fields.number()];
    if (this.#readonly && (flags & ~OPEN.read) !== 0) throw readOnly();
    const attributes = harmlessAttributes(fields.rest());
    const creates = (flags & OPEN.create) !== 0;
    // a file that is made must not be there: else a link that was put there meanwhile would be followed
    const made = (): Translated => {
      const place = this.#changing(path);
      const bytes = packet(SFTP.open, id, field(place.path), flags | OPEN.exclusive, attributes);
      return { bytes, place, opensChangeable: true };
    };
    if (creates && (flags & OPEN.exclusive) !== 0) return made();
    try {
      const place = this.#confined.found(path);
      if (place.isFile) return this.#openFile(place, flags & ~OPEN.create, attributes, id);
      place.release();
    } catch (error) {
      if (creates && error instanceof NoSuchPlace && error.code === 'ENOENT') return made();
      throw error;
    }
    // a pipe would hold up the server until somebody opens its other end
    throw new Refusal(STATUS.failure, 'not a file');
  }

  #openFile(place: Place, flags: number, attributes: Buffer, id: number): Translated {
    const opensChangeable = !this.#protection.coversFile(place.path);
    if (!opensChangeable && flags !== OPEN.read) throw unchangeable(place);
    return { bytes: packet(SFTP.open, id, field(place.path), flags, attributes), place, opensChangeable };
  }

  #openDirectory(fields: Fields, id: number): Translated {
    if (this.#directories.size >= MOST_DIRECTORIES) throw new Refusal(STATUS.failure, 'too many open files');
    const place = this.#confined.found(fields.text());
    if (place.isDirectory)
      return { bytes: packet(SFTP.opendir, id, field(place.path)), place, opensDirectory: true };
    place.release();
    throw new Refusal(STATUS.noSuchFile, 'not a directory');
  }

  #extended(fields: Fields, whole: Buffer, id: number): Translated {
    const name = fields.text();
    switch (name.toString()) {
      case 'posix-rename@openssh.com':
      case 'hardlink@openssh.com':
        if (this.#readonly) throw readOnly();
        return this.#twoEntries(fields, (places) => packet(SFTP.extended, id, field(name), ...places));
      case 'statvfs@openssh.com': {
        const place = this.#confined.found(fields.text());
        return { bytes: packet(SFTP.extended, id, field(name), field(place.path)), place };
      }
      default:
        if (ABOUT_HANDLES.includes(name.toString())) return { bytes: whole };
        throw new Refusal(STATUS.unsupported, 'not in a shared folder');
    }
  }

  #twoEntries(fields: Fields, request: (places: Buffer[]) => Buffer): Translated {
    const one = this.#changing(fields.text());
    try {
      const other = this.#changing(fields.text());
      const place = { path: one.path, release: () => [one, other].forEach((each) => each.release()) };
      return { bytes: request([field(one.path), field(other.path)]), place };
    } catch (error) {
      one.release();
      throw error;
    }
  }

  /** The place of a name that is to lead to something else than now. */
  #changing(path: Buffer): Place {
    const place = this.#confined.entry(path);
    if (this.#protection.coversEntry(place.path)) throw unchangeable(place);
    return place;
  }

  /** The server has answered: what was held for the request is given back, or held on to with its handle. */
  #settle(answer: Buffer): void {
    // the first packet of all has a version where the others have an id
    if (answer.readUInt8(4) === SFTP.version) return;
    const id = answer.readUInt32BE(5);
    const pending = this.#held.get(id);
    if (pending === undefined) return;
    this.#held.delete(id);
    const { place, opensDirectory, opensChangeable, closes } = pending;
    const handle = answer.readUInt8(4) === SFTP.handle ? handleIn(answer) : undefined;
    if (opensChangeable === true && handle !== undefined) this.#changeable.add(handle);
    if (opensDirectory === true && place && handle !== undefined) this.#directories.set(handle, place);
    else place?.release();
    if (closes === undefined) return;
    this.#directories.get(closes)?.release();
    this.#directories.delete(closes);
  }
}

/** What is held until the server has answered a request. */
interface Pending {
  readonly place?: Place;
  /** The place stays for as long as the handle that the server answers with: it names what it lists by it. */
  readonly opensDirectory?: boolean;
  /** What the handle names may be changed by it. */
  readonly opensChangeable?: boolean;
  /** A handle that is no more once the server has answered. */
  readonly closes?: string;
}

interface Translated extends Pending {
  readonly bytes: Buffer;
}

function readOnly(): Refusal {
  return new Refusal(STATUS.permissionDenied, 'the folder is shared read-only');
}

/** What is refused of a file that a guest may not change, or of what leads to it. */
function unchangeable(place?: Place): Refusal {
  place?.release();
  return new Refusal(STATUS.permissionDenied, 'it decides what runs on the host');
}

function handleIn(answer: Buffer): string {
  return new Fields(answer).text().toString('latin1');
}

function refusalOf(error: unknown, id: number): Buffer {
  if (error instanceof Refusal) return status(id, error.code, error.message);
  if (!(error instanceof NoSuchPlace)) throw error;
  const isMissing = ['ENOENT', 'ENOTDIR'].includes(error.code);
  return status(id, isMissing ? STATUS.noSuchFile : STATUS.permissionDenied, error.code);
}

/** A stream through which bytes go; what `take` throws ends it. */
function transform(take: (chunk: Buffer, push: (bytes: Buffer) => void) => void): Transform {
  const stream = new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      try {
        take(chunk, (bytes) => stream.push(bytes));
        done();
      } catch (error) {
        done(error as Error);
      }
    },
  });
  return stream;
}
