/**
 * Size of the length prefix of an Ethernet frame on QEMU's stream sockets (QEMU, net/socket.c): four bytes, big-endian.
 */
const HEADER = 4;

/** Maximum frame size that QEMU sends and accepts (QEMU, include/net/net.h: NET_BUFSIZE), in bytes. */
export const LONGEST_FRAME = 4096 + 65_536;

/** Minimum frame size, in bytes: two addresses and a type. */
export const SHORTEST_FRAME = 14;

export function framed(frame: Buffer): Buffer {
  const header = Buffer.alloc(HEADER);
  header.writeUInt32BE(frame.length);
  return Buffer.concat([header, frame]);
}

/** Splits a stream into frames. */
export class FrameReader {
  #pieces: Buffer[] = [];
  #size = 0;
  /** Number of bytes needed to continue. */
  #needed = HEADER;

  /** Returns the frames completed by these bytes; undefined if a length exceeds any that QEMU sends. */
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
