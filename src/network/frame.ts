/**
 * How QEMU puts Ethernet frames on a stream (QEMU, net/socket.c): each after its length, four bytes, the highest first.
 */
const HEADER = 4;

/** The longest frame that QEMU sends and takes (QEMU, include/net/net.h: NET_BUFSIZE), in bytes. */
export const LONGEST_FRAME = 4096 + 65_536;

/** Shortest thing that is a frame: two addresses and a type, in bytes. */
export const SHORTEST_FRAME = 14;

export function framed(frame: Buffer): Buffer {
  const header = Buffer.alloc(HEADER);
  header.writeUInt32BE(frame.length);
  return Buffer.concat([header, frame]);
}

/** Cuts a stream into frames. */
export class FrameReader {
  #pieces: Buffer[] = [];
  #size = 0;
  /** So many bytes are needed to go on. */
  #needed = HEADER;

  /** The frames that are complete with these bytes; undefined when a length is beyond any that QEMU sends. */
  take(bytes: Buffer): Buffer[] | undefined {
    this.#pieces.push(bytes);
    this.#size += bytes.length;
    if (this.#size < this.#needed) return [];
    const all = this.#pieces.length === 1 ? bytes : Buffer.concat(this.#pieces);
    const frames: Buffer[] = [];
    let at = 0;
    this.#needed = HEADER;
    while (all.length - at >= HEADER) {
      const length = all.readUInt32BE(at);
      if (length > LONGEST_FRAME) return undefined;
      this.#needed = HEADER + length;
      if (all.length - at < this.#needed) break;
      frames.push(all.subarray(at + HEADER, at + this.#needed));
      at += this.#needed;
      this.#needed = HEADER;
    }
    this.#pieces = at < all.length ? [all.subarray(at)] : [];
    this.#size = all.length - at;
    return frames;
  }
}
