import {
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { isLockedFile } from '../../src/host/lock.ts';
import { processesWith } from '../rig/processes.ts';
import { Rig } from '../rig/rig.ts';
import { until } from '../rig/until.ts';

/** A tar that packs one file and then nothing more; it unpacks as ever. */
const SLOW_TAR = `#!/bin/sh
PATH=\${PATH#*:}
case " $* " in *" -c "*) tar "$@" | head -c 512; exec sleep 1000 ;; esac
exec tar "$@"
`;

describe('when we are killed', () => {
  test.for(['boot', 'command'] as const)(
    'during the %s QEMU goes with us, and the next run sweeps',
    async (when) => {
      await using rig = new Rig(when === 'boot' ? { faults: { noSsh: true } } : {});
      const program = rig.start(['run', rig.stored(), '--cmd', 'echo started; sleep 1000']);
      await (when === 'boot' ? rig.happened('qmp') : program.waitFor(/started/, 'stdout'));
      program.signal('SIGKILL');
      expect((await program.ended).signal).toBe('SIGKILL');
      await until('the end of all processes', () => processesWith('TRANSIENT_RIG', rig.root).length === 0);
      expect(runDirectories(rig)).toHaveLength(1);

      // in the command-line's own words there is nothing to do, which is enough for sweeping
      expect((await rig.run(['run', 'test', '--', '-version'])).exitCode).toBe(0);
      expect(runDirectories(rig)).toEqual([]);
    },
  );

  test('in a copy out, what it has received goes with the next command, wherever that is', async () => {
    await using rig = new Rig();
    const bin = join(rig.home, 'bin');
    mkdirSync(bin);
    // the guest's tar begins and does not end
    writeFileSync(join(bin, 'tar'), SLOW_TAR, { mode: 0o755 });
    rig.write({ 'guest/log': 'a line' });
    const out = join(rig.work, 'out');
    const env = { PATH: `${bin}:${rig.environment['PATH'] ?? ''}` };
    const copy = ['--direct-copy', '--copy-out-after', `${rig.work}/guest/log:${out}/`];
    const program = rig.start(['run', rig.stored(), '--cmd', 'true', ...copy], { env });
    await until('a staging directory', () => existsSync(out) && readdirSync(out).length > 0);
    program.signal('SIGKILL');
    await program.ended;
    await until('the end of all processes', () => processesWith('TRANSIENT_RIG', rig.root).length === 0);
    expect(readdirSync(out)).toEqual([expect.stringMatching(/^\.transient-\d+-\d+-/)]);
    expect((await rig.run(['run', 'test', '--', '-version'])).exitCode).toBe(0);
    expect(readdirSync(out)).toEqual([]);
    expect(runDirectories(rig)).toEqual([]);
  });

  test('the lock of a project goes with the next command, unless someone holds it', async () => {
    await using rig = new Rig();
    const [held, free] = ['held', 'free'].map((name) => join(place(rig), `project-${name}`)) as [
      string,
      string,
    ];
    mkdirSync(place(rig), { mode: 0o700 });
    for (const path of [held, free]) writeFileSync(path, '');
    const holder = rig.command(['flock', held, 'sleep', '60']);
    await until('the lock', () => isLockedFile(statSync(held)));
    expect((await rig.run(['run', rig.stored(), '--', '-version'])).exitCode).toBe(0);
    expect(readdirSync(place(rig))).toEqual(['project-held']);
    for (const pid of processesWith('TRANSIENT_RIG', rig.root)) process.kill(pid, 'SIGKILL');
    await holder;
    expect((await rig.run(['run', 'test', '--', '-version'])).exitCode).toBe(0);
    expect(readdirSync(place(rig))).toEqual([]);
  });

  test('the run directory of one that lives is left alone', async () => {
    await using rig = new Rig();
    const program = rig.start(['run', rig.stored(), '--cmd', 'echo started; read line; echo "$line"']);
    await program.waitFor(/started/, 'stdout');
    const before = runDirectories(rig);
    expect((await rig.run(['run', 'test', '--cmd', 'true'])).exitCode).toBe(0);
    expect(runDirectories(rig)).toEqual(before);
    program.write('go on\n');
    expect((await program.ended).stdout.text).toBe('started\ngo on\n');
  });
});

describe('a runtime directory that is not ours alone', () => {
  const asRoot = test.runIf(process.getuid?.() === 0);
  const NOBODY = 65_534;

  asRoot('XDG_RUNTIME_DIR of another user is refused', async () => {
    await using rig = new Rig();
    chownSync(rig.runtime, NOBODY, NOBODY);
    const { exitCode, stderr } = await rig.run(['run', rig.stored(), '--cmd', 'true']);
    expect(exitCode).toBe(1);
    expect(stderr.text).toContain(`belongs to user ${NOBODY}`);
    expect(stderr.text).toContain('XDG_RUNTIME_DIR');
  });

  asRoot('our place in it that another user has made is refused', async () => {
    await using rig = new Rig();
    mkdirSync(place(rig));
    chownSync(place(rig), NOBODY, NOBODY);
    const { exitCode, stderr } = await rig.run(['run', rig.stored(), '--cmd', 'true']);
    expect(exitCode).toBe(1);
    expect(stderr.text).toContain(`belongs to user ${NOBODY}`);
  });

  test('a link in its place is refused', async () => {
    await using rig = new Rig();
    symlinkSync(rig.home, place(rig));
    const { exitCode, stderr } = await rig.run(['run', rig.stored(), '--cmd', 'true']);
    expect(exitCode).toBe(1);
    expect(stderr.text).toContain('is not a directory');
    expect(readdirSync(rig.home)).toEqual([]);
    rmSync(place(rig));
  });

  test('one that is not there is reported', async () => {
    await using rig = new Rig({ env: { XDG_RUNTIME_DIR: '/nonexistent/run' } });
    const { exitCode, stderr } = await rig.run(['run', rig.stored(), '--cmd', 'true']);
    expect(exitCode).toBe(1);
    expect(stderr.text).toContain('cannot use the runtime directory /nonexistent/run');
  });
});

function place(rig: Rig): string {
  return join(rig.runtime, 'transient');
}

function runDirectories(rig: Rig): string[] {
  return readdirSync(place(rig)).filter((name) => name.startsWith('run-'));
}
