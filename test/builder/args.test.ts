import { describe, expect, test } from 'vitest';
import type { BuilderFacts } from '../../src/builder/args.ts';
import { builderArguments } from '../../src/builder/args.ts';
import { valuesOf } from '../rig/vms.ts';

describe('disks', () => {
  test('are numbered in their order, and commas in their paths doubled', () => {
    const argv = builderArguments(facts({ disks: ['/one', '/a,b'] }));
    expect(valuesOf(argv, '-drive')).toEqual([
      'file=/one,format=qcow2,if=none,id=disk0,snapshot=off',
      'file=/a,,b,format=qcow2,if=none,id=disk1,snapshot=off',
    ]);
    expect(valuesOf(argv, '-device')).toEqual(
      expect.arrayContaining(['virtio-blk-pci,drive=disk0', 'virtio-blk-pci,drive=disk1']),
    );
  });

  test('that are only read are never written to', () => {
    const argv = builderArguments(facts({ disks: ['/one', '/two'], readOnly: true }));
    expect(valuesOf(argv, '-drive').map((drive) => drive.split(',').at(-1))).toEqual([
      'snapshot=on',
      'snapshot=on',
    ]);
  });
});

describe('ports', () => {
  test('the control port is the first descriptor after those that every program has', () => {
    const argv = builderArguments(facts({ ports: ['control'] }));
    expect(chardevs(argv)).toEqual(['socket,id=port0,fd=3']);
    expect(serialDevices(argv)).toEqual([
      'virtio-serial-pci,id=bus0',
      'virtserialport,chardev=port0,name=control,bus=bus0.0',
    ]);
  });

  test.for([
    [30, 1],
    [31, 2],
    [60, 2],
    [61, 3],
  ] as const)('%i of them need %i buses, each before its ports', ([count, buses]) => {
    const ports = ['control', ...Array.from({ length: count - 1 }, (_none, index) => `copy${index}`)];
    const argv = builderArguments(facts({ ports }));
    expect(chardevs(argv)).toEqual(ports.map((_port, index) => `socket,id=port${index},fd=${index + 3}`));
    const devices = serialDevices(argv);
    expect(devices).toHaveLength(count + buses);
    for (let bus = 0; bus < buses; bus++) {
      const onBus = devices.filter((device) => device.endsWith(`bus=bus${bus}.0`));
      expect(onBus.length).toBeLessThanOrEqual(30);
      expect(devices.indexOf(`virtio-serial-pci,id=bus${bus}`)).toBe(devices.indexOf(onBus[0] ?? '') - 1);
    }
    expect(devices.at(-1)).toBe(
      `virtserialport,chardev=port${count - 1},name=copy${count - 2},bus=bus${buses - 1}.0`,
    );
  });
});

describe('the machine', () => {
  test('has one processor where QEMU translates code, which two would change under each other', () => {
    expect(valuesOf(builderArguments(facts({ accel: 'tcg' })), '-smp')).toEqual(['1']);
    expect(valuesOf(builderArguments(facts({ accel: 'kvm' })), '-smp')).toEqual(['2']);
  });

  test('has no network, and nothing that listens', () => {
    const argv = builderArguments(facts());
    expect(argv).toContain('-nodefaults');
    expect(argv.join(' ')).not.toMatch(/-net|-nic|server|hostfwd|monitor|vnc/);
  });

  test('boots the kernel and initramfs that it is given, with its console in a file', () => {
    const appliance = { kernel: '/k,1', initrd: '/i,1' };
    const argv = builderArguments(facts({ appliance, serialLog: '/run,1/serial.log' }));
    expect(valuesOf(argv, '-kernel')).toEqual(['/k,1']);
    expect(valuesOf(argv, '-initrd')).toEqual(['/i,1']);
    expect(valuesOf(argv, '-chardev')).toContain('file,id=console,path=/run,,1/serial.log');
  });

  test.for([
    ['tcg', 'tcg,thread=multi', 'max'],
    ['kvm', 'kvm', 'host'],
  ] as const)('%s', ([accel, value, cpu]) => {
    const argv = builderArguments(facts({ accel }));
    expect([valuesOf(argv, '-accel'), valuesOf(argv, '-cpu')]).toEqual([[value], [cpu]]);
  });
});

function facts(more: Partial<BuilderFacts> = {}): BuilderFacts {
  return {
    appliance: { kernel: '/kernel', initrd: '/initrd' },
    accel: 'tcg',
    disks: ['/disk'],
    readOnly: false,
    ports: ['control', 'copy0'],
    serialLog: '/run/serial.log',
    ...more,
  };
}

function chardevs(argv: readonly string[]): string[] {
  return valuesOf(argv, '-chardev').filter((value) => value.startsWith('socket'));
}

function serialDevices(argv: readonly string[]): string[] {
  return valuesOf(argv, '-device').filter((value) => /^virt.*serial/.test(value));
}
