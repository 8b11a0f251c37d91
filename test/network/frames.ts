import { framed } from '../../src/network/frame.ts';

export const BROADCAST = 'ff:ff:ff:ff:ff:ff';

/** The bytes of hexadecimal text with any punctuation. */
export function bytes(hex: string): Buffer {
  return Buffer.from(hex.replaceAll(/[^0-9a-f]/gi, ''), 'hex');
}

/** An Ethernet frame of a type that nobody reads, with this text in it. */
export function frame(to: string, from: string, text = ''): Buffer {
  return Buffer.concat([bytes(to), bytes(from), Buffer.of(0x88, 0xb5), Buffer.from(text)]);
}

/** The same as it goes over a socket. */
export function onWire(...of: Parameters<typeof frame>): Buffer {
  return framed(frame(...of));
}
