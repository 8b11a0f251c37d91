import { Transform } from 'node:stream';
import type { ConfinedPlace } from './confinement.ts';
import { Confined, NoSuchPlace, absolute } from './confinement.ts';
import { Protection } from './protection.ts';
import { Fields, PacketStream, SFTP, STATUS, field, harmlessAttributes, packet } from './sftp-packets.ts';
import { Refusal, readOnly, refusalOf, unchangeable } from './sftp-refusal.ts';

/** Flags of SSH_FXP_OPEN (draft-ietf-secsh-filexfer-02, section 6.3). */
const OPEN = { read: 0x01, create: 0x08, exclusive: 0x20 };

/**
 * Packet types that are passed through: the greeting, and requests about handles that were checked when opened. All
 * others are inspected.
 */
const PASSED: readonly number[] = [SFTP.init, SFTP.read, SFTP.write, SFTP.fstat, SFTP.readdir];

/** Extended requests of OpenSSH about handles, which can be passed on (OpenSSH, PROTOCOL, section 4). */
const ABOUT_HANDLES = ['fstatvfs@openssh.com', 'fsync@openssh.com', 'limits@openssh.com'];

/** Maximum number of open directories per folder: each is an open file here. */
const MOST_DIRECTORIES = 512;

/** Maximum number of pending requests: each may hold a file open here. */
const MOST_WAITING = 1024;

/** Limits of unread responses, in number and in bytes of our own, that a working guest does not reach. */
const MOST_UNANSWERED = 16_384;
const MOST_UNREAD = 16 * 1024 * 1024;

/** Types of requests that modify something. */
const CHANGES: readonly number[] = [
  ...[SFTP.write, SFTP.setstat, SFTP.fsetstat, SFTP.remove, SFTP.mkdir],
  ...[SFTP.rmdir, SFTP.rename, SFTP.symlink],
];

/**
 * Filters the traffic between a guest and an SFTP server of the host, which serves everything its user can reach: paths
 * of the guest are translated to places within one directory before the server sees them. File data is passed through.
 */
export class SftpGate {
  /** Streams from the guest to the server, and back. */
  readonly requests: Transform;
  readonly answers: Transform;
  readonly #confined: Confined;
  readonly #readonly: boolean;
  readonly #protection: Protection;
  /** Resources of requests that the server has not answered, by id. */
  readonly #pending = new Map<number, Pending>();
  /** Open directories, by handle. */
  readonly #directories = new Map<string, ConfinedPlace>();
  /**
   * Handles of files that may be modified; excludes handles that were never reported to the guest, and those being
   * closed.
   */
  readonly #changeable = new Set<string>();
  /** Our own responses, until the server has finished the one it is sending. */
  readonly #ownResponses: Buffer[] = [];
  #isWithinAnswer = false;

  /** `unchanged` are files of the host that must not be modified, wherever they are. */
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
        if (!this.#isWithinAnswer) this.#ownResponses.splice(0).forEach(push);
      }
    });
  }

  /** Whether the server has answered all requests. */
  get isIdle(): boolean {
    return this.#pending.size === 0;
  }

  /** Releases everything that is open. */
  close(): void {
    for (const { place } of this.#pending.values()) place?.release();
    for (const place of this.#directories.values()) place.release();
    this.#pending.clear();
    this.#directories.clear();
    this.#confined.close();
  }

  #expect(head: Buffer): void {
    if (head.readUInt8(4) !== SFTP.init) this.#hold(head.readUInt32BE(5), {});
  }

  #hold(id: number, pending: Pending): void {
    // a reused id would release the resources of another request
    if (this.#pending.has(id) || this.#pending.size >= MOST_UNANSWERED) {
      pending.place?.release();
      throw new Error('requests that cannot be told apart');
    }
    this.#pending.set(id, pending);
  }

  #request(whole: Buffer, push: (bytes: Buffer) => void): void {
    const id = whole.readUInt32BE(5);
    try {
      if (this.#pending.size >= MOST_WAITING) throw new Refusal(STATUS.failure, 'too many requests at once');
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
    if (this.answers.readableLength > MOST_UNREAD || this.#ownResponses.length > MOST_WAITING)
      throw new Error('answers that nobody reads');
    if (this.#isWithinAnswer) this.#ownResponses.push(bytes);
    else this.answers.push(bytes);
  }

  /** Translates a request for the server. */
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
        // OpenSSH swaps the arguments, against the draft (PROTOCOL, section 4.1)
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
    // a new file must not exist: a link planted meanwhile would be followed
    const creation = (): Translated => {
      const place = this.#changing(path);
      const bytes = packet(SFTP.open, id, field(place.path), flags | OPEN.exclusive, attributes);
      return { bytes, place, opensChangeable: true };
    };
    if (creates && (flags & OPEN.exclusive) !== 0) return creation();
    try {
      const place = this.#confined.found(path);
      if (place.isFile) return this.#openFile(place, flags & ~OPEN.create, attributes, id);
      place.release();
    } catch (error) {
      if (creates && error instanceof NoSuchPlace && error.code === 'ENOENT') return creation();
      throw error;
    }
    // a FIFO would block the server until its other end is opened
    throw new Refusal(STATUS.failure, 'not a file');
  }

  #openFile(place: ConfinedPlace, flags: number, attributes: Buffer, id: number): Translated {
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

  /** Place of a name that is about to refer to something else. */
  #changing(path: Buffer): ConfinedPlace {
    const place = this.#confined.entry(path);
    if (this.#protection.coversEntry(place.path)) throw unchangeable(place);
    return place;
  }

  /** Handles a response of the server: releases the request's resources, or keeps them with the new handle. */
  #settle(answer: Buffer): void {
    // the first packet has a version in place of an id
    if (answer.readUInt8(4) === SFTP.version) return;
    const id = answer.readUInt32BE(5);
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    this.#pending.delete(id);
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

/** Resources held until the server has answered a request. */
interface Pending {
  readonly place?: ConfinedPlace;
  /** The place is kept with the returned handle, which lists by it. */
  readonly opensDirectory?: boolean;
  /** The handle may modify its file. */
  readonly opensChangeable?: boolean;
  /** The handle that ends with the response. */
  readonly closes?: string;
}

interface Translated extends Pending {
  readonly bytes: Buffer;
}

function handleIn(answer: Buffer): string {
  return new Fields(answer).text().toString('latin1');
}

/** A transform stream; an error thrown by `take` ends it. */
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
