import { describe, expect, test } from 'vitest';
import type { ForwardSpec } from '../../src/config/vm-spec.ts';
import { readForwards } from '../../src/qemu/ports.ts';

/** As QEMU 7.2 with libslirp 4.7 says it. */
const USERNET = `Hub -1 (mine):\r
  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ\r
  TCP[HOST_FORWARD]  20       127.0.0.1  9999       10.0.2.15    22     0     0\r
Hub -1 (ssh):\r
  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ\r
  TCP[ESTABLISHED]   15       127.0.0.1 34567       10.0.2.15    22     0     0\r
  TCP[HOST_FORWARD]  13               *  8080       10.0.2.15    80     0     0\r
  TCP[HOST_FORWARD]  12       127.0.0.1  2222       10.0.2.15    22     0     0\r
  TCP[HOST_FORWARD]  11       127.0.0.1 40404       10.0.2.15    22     0     0\r
  UDP[HOST_FORWARD]  14       127.0.0.1 50505       10.0.2.15    53     0     0\r
`;

const SSH: ForwardSpec = { address: '127.0.0.1', host: 0, guest: 22, protocol: 'tcp' };

describe('what QEMU says of forwards', () => {
  test('finds the ports that were picked, also between two that lead to one place', () => {
    const wanted: ForwardSpec[] = [
      SSH,
      { ...SSH, host: 2222 },
      { address: '127.0.0.1', host: 0, guest: 53, protocol: 'udp' },
      { address: '0.0.0.0', host: 8080, guest: 80, protocol: 'tcp' },
    ];
    expect(readForwards(USERNET, wanted).map((forward) => forward?.host)).toEqual([
      40_404, 2222, 50_505, 8080,
    ]);
  });

  test('is nothing for one that is not there, nor for those of other cards', () => {
    expect(readForwards(USERNET, [{ ...SSH, guest: 443 }])).toEqual([undefined]);
    expect(readForwards(USERNET, [{ ...SSH, host: 9999 }])).toEqual([undefined]);
  });
});
