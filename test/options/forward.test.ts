import { expect, test } from 'vitest';
import { forward } from '../../src/options/values/forward.ts';

test.for([
  ['8080:80', '127.0.0.1', 8080, 80, 'tcp'],
  ['0:22', '127.0.0.1', 0, 22, 'tcp'],
  ['0.0.0.0:8080:80', '0.0.0.0', 8080, 80, 'tcp'],
  ['5353:53/udp', '127.0.0.1', 5353, 53, 'udp'],
  ['10.1.2.3:65535:65535/tcp', '10.1.2.3', 65_535, 65_535, 'tcp'],
] as const)('%s', ([value, address, host, guest, protocol]) => {
  expect(forward().parse(value)).toEqual({ address, host, guest, protocol });
});

test.for([
  ['80', 'must be [ADDRESS:]HOST_PORT:GUEST_PORT[/udp]'],
  ['', 'must be [ADDRESS:]HOST_PORT:GUEST_PORT[/udp]'],
  ['8080:', 'must be [ADDRESS:]HOST_PORT:GUEST_PORT[/udp]'],
  ['a:b', 'must be [ADDRESS:]HOST_PORT:GUEST_PORT[/udp]'],
  ['-1:80', 'must be [ADDRESS:]HOST_PORT:GUEST_PORT[/udp]'],
  ['1:2:3:4', 'must be [ADDRESS:]HOST_PORT:GUEST_PORT[/udp]'],
  ['8080:80 ', 'must be [ADDRESS:]HOST_PORT:GUEST_PORT[/udp]'],
  ['65536:80', 'must have ports no greater than 65535'],
  ['80:65536', 'must have ports no greater than 65535'],
  ['80:0', 'must have a guest port of at least 1'],
  ['80:80/sctp', 'must end with /tcp or /udp, not "/sctp"'],
  ['localhost:80:80', 'must have an IPv4 address such as "127.0.0.1" before its ports, not "localhost"'],
  [':80:80', 'must have an IPv4 address such as "127.0.0.1" before its ports, not ""'],
  ['127.0.0.1,hostfwd=x:80:80', 'must have an IPv4 address'],
  ['[::1]:80:80', 'must not have an IPv6 address'],
])('"%s" is refused', ([value, why]) => {
  const fail = (message: string): never => {
    throw new Error(message);
  };
  expect(() => forward.decode(value ?? '', fail)).toThrow(why);
  expect(forward().safeParse(value).success).toBe(false);
});
