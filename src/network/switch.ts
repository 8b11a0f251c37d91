import type { Duplex } from 'node:stream';
import { FrameReader, SHORTEST_FRAME, framed } from './frame.ts';

/** Maximum queue for a slow reader, in bytes; the rest is dropped, as on a real wire. */
const MOST_WAITING = 256 * 1024;

/** Maximum number of learned addresses; a guest can invent as many as it likes. */
const MOST_LEARNED = 1024;

/** Answers a frame on behalf of the network; undefined if it is not addressed to it. */
export type Answering = (frame: Buffer) => Buffer | undefined;

/** A VM's end of the network. */
interface Port {
  readonly vm: string;
  readonly channel: Duplex;
}

/** A learning Ethernet switch, whose ports are sockets that QEMU has inherited. */
export class Switch {
  readonly #answer: Answering;
  readonly #onNonsense: (vm: string) => void;
  readonly #ports = new Set<Port>();
  /** Port behind which an address was last seen, oldest first, which is the first to be forgotten. */
  readonly #learned = new Map<number, Port>();

  /** `onNonsense` is called with a VM whose link was cut because it sent invalid frames. */
  constructor(answer: Answering, onNonsense: (vm: string) => void) {
    this.#answer = answer;
    this.#onNonsense = onNonsense;
  }

  /** Connects a VM to the network until its end of the socket is closed. */
  plug(vm: string, channel: Duplex): void {
    const port: Port = { vm, channel };
    const reader = new FrameReader();
    this.#ports.add(port);
    channel.on('data', (bytes: Buffer) => {
      // data from a cut link is read, so that QEMU does not block, and dropped
      if (!this.#ports.has(port)) return;
      const frames = reader.take(bytes);
      if (frames !== undefined) this.#forward(port, frames);
      else {
        this.#unplug(port);
        this.#onNonsense(vm);
      }
    });
    channel.on('error', () => this.#unplug(port));
    channel.on('close', () => this.#unplug(port));
  }

  /** Cuts all links. */
  close(): void {
    for (const port of this.#ports) this.#unplug(port);
  }

  #unplug(port: Port): void {
    this.#ports.delete(port);
    for (const [address, owner] of this.#learned) if (owner === port) this.#learned.delete(address);
  }

  /** Forwards frames in batches: one write per destination port. */
  #forward(from: Port, frames: readonly Buffer[]): void {
    const outgoing = new Map<Port, Buffer[]>();
    const send = (port: Port, frame: Buffer): void => {
      const waiting = outgoing.get(port);
      if (waiting === undefined) outgoing.set(port, [framed(frame)]);
      else waiting.push(framed(frame));
    };
    for (const frame of frames) {
      if (frame.length < SHORTEST_FRAME) continue;
      this.#learn(sourceOf(frame), from);
      const answer = this.#answer(frame);
      if (answer !== undefined) send(from, answer);
      else for (const port of this.#targets(frame, from)) send(port, frame);
    }
    for (const [{ channel }, waiting] of outgoing) {
      if (channel.writable && channel.writableLength < MOST_WAITING) channel.write(Buffer.concat(waiting));
    }
  }

  #learn(address: number, port: Port): void {
    if (this.#learned.get(address) === port) return;
    this.#learned.set(address, port);
    const [oldest] = this.#learned.keys();
    if (this.#learned.size > MOST_LEARNED && oldest !== undefined) this.#learned.delete(oldest);
  }

  /** Port behind which the destination was seen; all others for unknown and group addresses. */
  #targets(frame: Buffer, from: Port): Port[] {
    const learned = isForSeveral(frame) ? undefined : this.#learned.get(destinationOf(frame));
    if (learned !== undefined) return learned === from ? [] : [learned];
    return [...this.#ports].filter((port) => port !== from);
  }
}

function destinationOf(frame: Buffer): number {
  return frame.readUIntBE(0, 6);
}

function sourceOf(frame: Buffer): number {
  return frame.readUIntBE(6, 6);
}

/** Broadcast and multicast addresses have the lowest bit of their first byte set (IEEE 802). */
function isForSeveral(frame: Buffer): boolean {
  return ((frame[0] ?? 0) & 1) === 1;
}
