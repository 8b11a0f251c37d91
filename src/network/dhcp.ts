import type { Ipv4, Subnet } from '../options/ipv4.ts';
import { broadcastOf, maskOf } from '../options/ipv4.ts';
import type { Answering } from './switch.ts';

/**
 * A DHCP server (RFC 2131, options of RFC 2132) for cards with known addresses: each gets a permanent lease, with no
 * router and no name server. Works on whole Ethernet frames and has no state.
 */
export function dhcpServer(subnet: Subnet, leases: ReadonlyMap<string, Ipv4>): Answering {
  // never used as a destination: a lease without an end is never renewed
  const server = subnet.network + 1;
  return (frame) => {
    const request = readRequest(frame);
    const address = request && leases.get(request.mac);
    if (request === undefined || address === undefined) return undefined;
    const type = answerTo(request, address, server);
    return type === undefined ? undefined : answerFrame(request, type, { address, server, subnet });
  };
}

/** Message types (RFC 2132, section 9.6). */
const DISCOVER = 1;
const OFFER = 2;
const REQUEST = 3;
const ACK = 5;
const NAK = 6;

/** Codes of options (RFC 2132). */
const PAD = 0;
const SUBNET_MASK = 1;
const BROADCAST = 28;
const REQUESTED_ADDRESS = 50;
const LEASE_TIME = 51;
const MESSAGE_TYPE = 53;
const SERVER = 54;
const CLIENT = 61;
const END = 255;

/** Infinite lease time, in seconds. */
const FOR_EVER = 0xffff_ffff;

/** Offsets in a frame: Ethernet, IPv4 without options, UDP, then BOOTP with its fixed fields. */
const IP = 14;
const BOOTP_SIZE = 236;
const COOKIE = 0x6382_5363;
const SERVER_PORT = 67;
const CLIENT_PORT = 68;

/** Minimum message size for old clients, in bytes (RFC 951). */
const SHORTEST_MESSAGE = 300;

/** Source address of the replies; no card of a VM has it (config/networks.ts). */
const OWN_MAC = Buffer.from('525400000001', 'hex');

/** A client's request. */
interface Asked {
  readonly type: number;
  readonly mac: string;
  readonly bootp: Buffer;
  readonly options: ReadonlyMap<number, Buffer>;
}

/** Parses a client's message; undefined for other frames and malformed ones. */
function readRequest(frame: Buffer): Asked | undefined {
  const bootp = bootpOf(frame);
  if (bootp === undefined || bootp.length < BOOTP_SIZE + 4) return undefined;
  const [operation, hardware, length] = bootp;
  if (operation !== 1 || hardware !== 1 || length !== 6) return undefined;
  if (bootp.readUInt32BE(BOOTP_SIZE) !== COOKIE) return undefined;
  const options = readOptions(bootp.subarray(BOOTP_SIZE + 4));
  const type = options.get(MESSAGE_TYPE);
  if (type?.length !== 1) return undefined;
  const mac = bootp.toString('hex', 28, 34).replaceAll(/..(?=.)/g, '$&:');
  return { type: type.readUInt8(), mac, bootp, options };
}

/** Extracts the payload for the DHCP server port from a well-formed IPv4 packet. */
function bootpOf(frame: Buffer): Buffer | undefined {
  if (frame.length < IP + 28 || frame.readUInt16BE(12) !== 0x0800) return undefined;
  const start = frame.readUInt8(IP);
  const headerLength = (start & 0x0f) * 4;
  const isFragment = (frame.readUInt16BE(IP + 6) & 0x3fff) !== 0;
  if (start >> 4 !== 4 || headerLength < 20 || isFragment || frame.readUInt8(IP + 9) !== 17) return undefined;
  const udp = frame.subarray(IP + headerLength);
  if (udp.length < 8 || udp.readUInt16BE(2) !== SERVER_PORT) return undefined;
  const length = udp.readUInt16BE(4);
  return length < 8 || length > udp.length ? undefined : udp.subarray(8, length);
}

function readOptions(bytes: Buffer): Map<number, Buffer> {
  const options = new Map<number, Buffer>();
  let at = 0;
  while (at < bytes.length && bytes[at] !== END) {
    const code = bytes[at] ?? END;
    if (code === PAD) {
      at++;
      continue;
    }
    const length = bytes[at + 1];
    if (length === undefined || at + 2 + length > bytes.length) break;
    options.set(code, bytes.subarray(at + 2, at + 2 + length));
    at += 2 + length;
  }
  return options;
}

/** Type of the reply (RFC 2131, section 4.3); undefined if the client expects none from this server. */
function answerTo({ type, bootp, options }: Asked, address: Ipv4, server: Ipv4): number | undefined {
  if (type === DISCOVER) return OFFER;
  if (type !== REQUEST) return undefined;
  const chosen = ipv4Option(options, SERVER);
  if (chosen !== undefined && chosen !== server) return undefined;
  const requested = ipv4Option(options, REQUESTED_ADDRESS) ?? bootp.readUInt32BE(12);
  return requested === address ? ACK : NAK;
}

function ipv4Option(options: ReadonlyMap<number, Buffer>, code: number): Ipv4 | undefined {
  const value = options.get(code);
  return value?.length === 4 ? value.readUInt32BE() : undefined;
}

interface Given {
  readonly address: Ipv4;
  readonly server: Ipv4;
  readonly subnet: Subnet;
}

function answerFrame({ bootp, options }: Asked, type: number, given: Given): Buffer {
  const { address, server, subnet } = given;
  const client = options.get(CLIENT);
  const reply = [
    option(MESSAGE_TYPE, Buffer.of(type)),
    option(SERVER, ipv4(server)),
    ...(type === NAK
      ? []
      : [
          option(LEASE_TIME, ipv4(FOR_EVER)),
          option(SUBNET_MASK, ipv4(maskOf(subnet.prefix))),
          option(BROADCAST, ipv4(broadcastOf(subnet))),
        ]),
    // the client identifier is echoed (RFC 6842)
    ...(client === undefined ? [] : [option(CLIENT, client)]),
    Buffer.of(END),
  ];
  const fixed = Buffer.alloc(BOOTP_SIZE);
  fixed.set([2, 1, 6, 0]);
  // transaction id, flags, hardware address
  bootp.copy(fixed, 4, 4, 8);
  bootp.copy(fixed, 10, 10, 12);
  bootp.copy(fixed, 28, 28, 34);
  fixed.writeUInt32BE(type === NAK ? 0 : address, 16);
  const message = Buffer.concat([fixed, ipv4(COOKIE), ...reply]);
  const padding = Buffer.alloc(Math.max(0, SHORTEST_MESSAGE - message.length));
  const wantsBroadcast = type === NAK || (bootp.readUInt16BE(10) & 0x8000) !== 0;
  const mac = wantsBroadcast ? Buffer.alloc(6, 0xff) : bootp.subarray(28, 34);
  const to = wantsBroadcast ? 0xffff_ffff : address;
  return Buffer.concat([mac, OWN_MAC, Buffer.of(0x08, 0x00), packet(server, to, [message, padding])]);
}

function option(code: number, value: Buffer): Buffer {
  return Buffer.concat([Buffer.of(code, value.length), value]);
}

function ipv4(address: Ipv4): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(address);
  return bytes;
}

/**
 * Builds a UDP datagram from the server's port to the client's (RFC 768; the checksum is optional), in IPv4 (RFC 791).
 */
function packet(from: Ipv4, to: Ipv4, parts: readonly Buffer[]): Buffer {
  const payload = Buffer.concat(parts);
  const header = Buffer.alloc(28);
  header.set([0x45, 0]);
  header.writeUInt16BE(header.length + payload.length, 2);
  header.set([64, 17], 8);
  header.writeUInt32BE(from, 12);
  header.writeUInt32BE(to, 16);
  header.writeUInt16BE(checksum(header.subarray(0, 20)), 10);
  header.writeUInt16BE(SERVER_PORT, 20);
  header.writeUInt16BE(CLIENT_PORT, 22);
  header.writeUInt16BE(8 + payload.length, 24);
  return Buffer.concat([header, payload]);
}

/** Internet checksum of an even number of bytes (RFC 1071). */
function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += bytes.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
