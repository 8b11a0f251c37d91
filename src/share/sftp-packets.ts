/** Packet types of the SSH File Transfer Protocol, version 3 (draft-ietf-secsh-filexfer-02, section 3). */
export const SFTP = {
  init: 1,
  version: 2,
  open: 3,
  close: 4,
  read: 5,
  write: 6,
  lstat: 7,
  fstat: 8,
  setstat: 9,
  fsetstat: 10,
  opendir: 11,
  readdir: 12,
  remove: 13,
  mkdir: 14,
  rmdir: 15,
  realpath: 16,
  stat: 17,
  rename: 18,
  readlink: 19,
  symlink: 20,
  status: 101,
  handle: 102,
  name: 104,
  extended: 200,
} as const;

/** Status codes (section 7 of the same). */
export const STATUS = { ok: 0, noSuchFile: 2, permissionDenied: 3, failure: 4, unsupported: 8 } as const;

/** Maximum packet size accepted from a guest, in bytes; OpenSSH's own limit (PROTOCOL, limits@openssh.com). */
const LONGEST = 256 * 1024;

/** Size of a packet's header, in bytes: length, type and id. */
export const HEADER = 9;

/** Output of the splitter: whole packets for the wanted types, else raw bytes to pass on. */
type Piece = { readonly packet: Buffer } | { readonly bytes: Buffer; readonly ends: boolean };

/** Splits a stream into packets. Packets of unwanted types are passed on in pieces as they arrive. */
export class PacketStream {
  readonly #wantsWhole: (type: number) => boolean;
  #pending: Buffer = Buffer.alloc(0);
  /** Bytes of the current passed-on packet still to come. */
  #passing = 0;

  constructor(wantsWhole: (type: number) => boolean) {
    this.#wantsWhole = wantsWhole;
  }

  /** Throws on an invalid packet. */
  *feed(chunk: Buffer): Generator<Piece & { readonly head?: Buffer }> {
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    while (this.#pending.length > 0) {
      if (this.#passing > 0) {
        yield this.#pass(this.#passing);
        continue;
      }
      if (this.#pending.length < HEADER) return;
      const size = 4 + this.#pending.readUInt32BE(0);
      if (size < HEADER || size > LONGEST + HEADER) throw new Error(`a packet of ${size} bytes`);
      const head = this.#pending.subarray(0, HEADER);
      if (!this.#wantsWhole(head.readUInt8(4))) {
        yield { ...this.#pass(size), head };
        continue;
      }
      if (this.#pending.length < size) return;
      yield { packet: this.#take(size) };
    }
  }

  #pass(rest: number): Piece {
    const bytes = this.#take(Math.min(rest, this.#pending.length));
    this.#passing = rest - bytes.length;
    return { bytes, ends: this.#passing === 0 };
  }

  #take(length: number): Buffer {
    const bytes = this.#pending.subarray(0, length);
    this.#pending = this.#pending.subarray(length);
    return bytes;
  }
}

/** Reads the fields of a packet in order; throws at its end. */
export class Fields {
  readonly #packet: Buffer;
  #at: number;

  constructor(packet: Buffer, at = HEADER) {
    this.#packet = packet;
    this.#at = at;
  }

  text(): Buffer {
    const length = this.number();
    const end = this.#at + length;
    if (end > this.#packet.length) throw new Error('a text that is longer than its packet');
    const text = this.#packet.subarray(this.#at, end);
    this.#at = end;
    return text;
  }

  number(): number {
    const value = this.#packet.readUInt32BE(this.#at);
    this.#at += 4;
    return value;
  }

  skip(bytes: number): void {
    this.#at += bytes;
  }

  rest(): Buffer {
    return this.#packet.subarray(this.#at);
  }
}

/** Builds a packet from a type, a request id and fields. */
export function packet(type: number, id: number, ...fields: readonly (number | Buffer)[]): Buffer {
  const body = Buffer.concat([
    number(id),
    ...fields.map((one) => (typeof one === 'number' ? number(one) : one)),
  ]);
  const head = Buffer.concat([number(body.length + 1), Buffer.from([type])]);
  return Buffer.concat([head, body]);
}

/** Encodes a string field. */
export function field(text: Buffer | string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([number(bytes.length), bytes]);
}

export function status(id: number, code: number, message: string): Buffer {
  return packet(SFTP.status, id, code, field(message), field(''));
}

function number(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

/** Flags of attributes (section 5 of the same). */
const ATTRIBUTE = { size: 1, owner: 2, permissions: 4, times: 8 };

/**
 * Filters attributes that a guest sets: no owners, which belong to the host and are shown as the guest's user, and no
 * setuid or setgid bits.
 */
export function harmlessAttributes(bytes: Buffer): Buffer {
  const fields = new Fields(bytes, 0);
  const flags = fields.number();
  const parts: Buffer[] = [number(flags & (ATTRIBUTE.size | ATTRIBUTE.permissions | ATTRIBUTE.times))];
  if (flags & ATTRIBUTE.size) parts.push(number(fields.number()), number(fields.number()));
  if (flags & ATTRIBUTE.owner) fields.skip(8);
  if (flags & ATTRIBUTE.permissions) parts.push(number(fields.number() & 0o1777));
  if (flags & ATTRIBUTE.times) parts.push(number(fields.number()), number(fields.number()));
  return Buffer.concat(parts);
}
