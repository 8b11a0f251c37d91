import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import type { Stats } from 'node:fs';
import {
  chmodSync,
  createReadStream,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { expect, test } from 'vitest';
import { childrenOf, commandLineOf } from '../rig/processes.ts';
import type { Rig } from '../rig/rig.ts';
import { guest, PATIENTLY, realRig } from './guests.ts';

const tiny = guest('tiny');
const isRoot = process.getuid?.() === 0;

test('twelve folders at once, by odd names, live in both directions and one read-only', async () => {
  await using rig = realRig();
  const names = [
    `it's "odd"`,
    'with spaces',
    'ü',
    ...Array.from({ length: 8 }, (_none, index) => `n${index}`),
  ];
  for (const name of names) rig.write({ [`shared/${name}/from-host`]: name });
  rig.write({ 'fixed/file': 'fixed' });
  const folders = names.flatMap((name) => ['-s', `./shared/${name}:/srv/${name}`]);
  const config = 'shared-folder = [{ host = "./fixed", guest = "/srv/fixed", readonly = true }]\n';
  rig.write({ 'vm.toml': config });
  const command = [
    'cd /srv; for d in */; do [ "$d" = fixed/ ] || { cat "$d/from-host"; echo; printf %s "$d" > "$d/from-guest"; }; done',
    'cat fixed/file; echo; echo x > fixed/file || echo refused; rm -f fixed/file || echo kept',
    // what the host changes is what the guest sees: shorter, longer, replaced
    'printf %s asked > n0/ask; echo asked; until [ "$(cat n0/answer 2>/dev/null)" = "two" ]; do sleep 0.1; done',
    'echo answered; until [ "$(wc -c < n0/answer)" = 100000 ]; do sleep 0.1; done; md5sum < n0/answer',
  ].join('\n');
  const run = rig.start(['run', tiny, ...PATIENTLY, ...folders, '--config', 'vm.toml', '--cmd', command]);
  const answer = join(rig.work, 'shared/n0/answer');
  await run.waitFor(/^asked$/m, 'stdout');
  expect(read(join(rig.work, 'shared/n0/ask'))).toBe('asked');
  writeFileSync(answer, 'a longer answer than it will be');
  writeFileSync(answer, 'two');
  await run.waitFor(/^answered$/m, 'stdout');
  const long = 'x'.repeat(99_999).concat('\n');
  writeFileSync(answer, long);
  const { exitCode, stdout } = await run.ended;
  expect(exitCode).toBe(0);
  const sum = createHash('md5').update(long).digest('hex');
  expect(stdout.text.trim().split('\n').toSorted()).toEqual(
    [...names, 'fixed', 'refused', 'kept', 'asked', 'answered', `${sum}  -`].toSorted(),
  );
  for (const name of names) expect(read(join(rig.work, 'shared', name, 'from-guest'))).toBe(`${name}/`);
  expect(read(join(rig.work, 'fixed/file'))).toBe('fixed');
  expect(rig.leftovers()).toEqual([]);
});

test('a git checkout is worked on from both sides, and large files arrive whole', async () => {
  await using rig = realRig();
  const repository = join(rig.work, 'project');
  const git = (...args: readonly string[]): string =>
    execFileSync('git', ['-C', repository, '-c', 'user.name=a', '-c', 'user.email=a@b', ...args], {
      encoding: 'utf8',
    });
  mkdirSync(repository);
  git('init', '-q', '-b', 'main');
  for (let index = 0; index < 50; index += 1)
    rig.write({ [`project/d${index % 5}/f${index}`]: `line ${index}\n` });
  rig.write({ 'project/run.sh': '#!/bin/sh\necho ran\n' });
  git('add', '.');
  git('commit', '-qm', 'first');
  execFileSync('sh', ['-c', 'dd if=/dev/urandom of=big-in bs=1M count=4 2>/dev/null'], { cwd: repository });
  const collectGit =
    'g=$(command -v git); cp "$g" $(ldd "$g" | grep -o "/[^ ]*/lib\\(pcre\\|z\\.\\)[^ ]*") tools';
  execFileSync('sh', ['-c', `mkdir tools; ${collectGit}`], { cwd: rig.work });
  const command = [
    'set -e; cd /src; export PATH=$PATH:/tools LD_LIBRARY_PATH=/tools; git config --global safe.directory /src; git status --short',
    'chmod +x run.sh; ./run.sh; ln -s run.sh link; ln run.sh hard; ./link',
    'git -c user.name=g -c user.email=g@h commit -qam second; git log --oneline | wc -l',
    'cp big-in big-out; md5sum < big-in; touch -d @1000000000 d0/f0; mv d1 moved',
    'mkfifo pipe 2>/dev/null || echo "no pipe"',
  ].join('\n');
  const folders = ['-s', './project:/src', '-s', './tools:/tools'];
  const run = await rig.run(['run', tiny, ...PATIENTLY, ...folders, '--cmd', command]);
  const { exitCode, stdout, stderr } = run;
  expect([stderr.text.includes('warning: shared'), exitCode]).toEqual([false, 0]);
  expect(stdout.text).toBe(`?? big-in\nran\nran\n2\n${await md5(join(repository, 'big-in'))}  -\nno pipe\n`);
  expect(await md5(join(repository, 'big-out'))).toBe(await md5(join(repository, 'big-in')));
  expect(git('log', '--format=%s')).toBe('second\nfirst\n');
  git('fsck', '--strict');
});

test('the Transientfile and the programs that it names stay as they are, whatever the guest does as root', async () => {
  await using rig = realRig();
  const commands = [
    ...[
      'echo x >> $f',
      'truncate -s 0 $f',
      'sed -i s/a/b/ $f',
      'mv $f /srv/gone',
      'rm -f $f',
      'ln $f /srv/hard',
    ],
    ...[
      'cp /etc/hostname $f',
      'mv -f /srv/other $f',
      'ln -sf /srv/other $f',
      'chmod 777 $f',
      'touch -d @0 $f',
    ],
    ...[
      'ln -s $f /srv/soft; echo x > /srv/soft',
      'dd if=/dev/zero of=$f conv=notrunc count=1 2>&1 | grep -q ,',
    ],
  ];
  const command = [
    'cd /; for f in /srv/Transientfile.toml /srv/tools/ssh; do',
    ...commands.map(
      (one, index) => `sudo sh -c "f=$f; ${one.replaceAll('$', '\\$')}" 2>/dev/null && echo ${index} $f`,
    ),
    'done; sudo mv /srv/tools /srv/t 2>/dev/null && echo moved',
    'sudo sh -c "mkdir /srv/new && mv /srv/new /srv/tools/new && echo fine > /srv/tools/new/file" && cat /srv/tools/new/file /srv/tools/ssh',
  ].join('\n');
  const file = `[vms.a]\nimage = "${tiny}"\nshared-folder = ["./:/srv"]\nssh-bin-name = "./tools/ssh"\nssh-command = '''\n${command}\n'''\n`;
  const ssh = '#!/bin/sh\nexec ssh "$@"\n';
  rig.write({ 'Transientfile.toml': file, 'tools/ssh': ssh, other: 'other' });
  chmodSync(join(rig.work, 'tools/ssh'), 0o755);
  const before = ['Transientfile.toml', 'tools/ssh'].map((name) => statSync(join(rig.work, name)));
  const { exitCode, stdout } = await rig.run(['up', ...PATIENTLY]);
  expect([exitCode, stdout.text]).toEqual([0, `fine\n${ssh}`]);
  const after = ['Transientfile.toml', 'tools/ssh'].map((name) => statSync(join(rig.work, name)));
  const kept = ({ ino, mode, nlink, mtimeMs }: Stats): unknown => [ino, mode, nlink, mtimeMs];
  expect(after.map(kept)).toEqual(before.map(kept));
  expect(read(join(rig.work, 'Transientfile.toml'))).toBe(file);
});

test('with a cache, what changes on the host is seen whole and new after its time', async () => {
  await using rig = realRig();
  const names = ['grown', 'shrunk', 'replaced', 'gone'];
  for (const name of names) rig.write({ [`shared/${name}`]: 'as it was at first\n' });
  rig.write({
    'vm.toml': 'shared-folder = [{ host = "./shared", guest = "/srv/shared", cache = 1 }]\n',
  });
  const command = [
    'cd /srv/shared; ls -l; cat * > /dev/null; echo seen; read changed',
    // a whole second more, since sshfs counts in those of a clock
    'sleep 2.2; for f in grown shrunk replaced; do stat -c "%n %s" $f; md5sum < $f; done; ls',
    'echo mine > grown; cat grown; echo longer >> grown; cat grown; stat -c %s grown',
  ].join('\n');
  const run = rig.start(['run', tiny, ...PATIENTLY, '--config', 'vm.toml', '--cmd', command]);
  await run.waitFor(/^seen$/m, 'stdout');
  const at = (name: string): string => join(rig.work, 'shared', name);
  const now = { grown: 'x'.repeat(300_000), shrunk: 'y\n', replaced: 'z'.repeat(5000) };
  writeFileSync(at('grown'), now.grown);
  writeFileSync(at('shrunk'), now.shrunk);
  writeFileSync(at('new'), now.replaced);
  renameSync(at('new'), at('replaced'));
  rmSync(at('gone'));
  run.write('changed\n');
  run.write();
  const { exitCode, stdout } = await run.ended;
  const facts = Object.entries(now).flatMap(([name, text]) => [
    `${name} ${text.length}`,
    `${createHash('md5').update(text).digest('hex')}  -`,
  ]);
  const after = [...facts, 'grown', 'replaced', 'shrunk', 'mine', 'mine', 'longer', '12', ''].join('\n');
  expect([exitCode, stdout.text.split('seen\n')[1]]).toEqual([0, after]);
});

test('by devices of the machine, beside sshfs', async () => {
  await using rig = realRig();
  const ways = ['sshfs', '9p'];
  // QEMU's own virtiofsd wants more than a user can give it
  const fixed = isRoot ? 'virtiofs' : '9p';
  for (const name of [...ways, 'fixed']) rig.write({ [`${name}/from-host`]: name });
  const folder = (host: string, via: string, more = ''): string =>
    `{ host = "./${host}", guest = "/srv/${host}", via = "${via}"${more} }`;
  const folders = [...ways.map((via) => folder(via, via)), folder('fixed', fixed, ', readonly = true')];
  rig.write({ 'vm.toml': `shared-folder = [${folders.join(', ')}]\n` });
  const command =
    'cd /srv; for d in *; do cat $d/from-host; echo; done; for d in *; do sudo sh -c "echo $d > $d/from-guest" || echo "$d refused"; done';
  const args = ['run', tiny, ...PATIENTLY, '--config', 'vm.toml', '--cmd', command];
  const { exitCode, stdout } = await rig.run(args);
  const expected = [...[...ways, 'fixed'].toSorted(), 'fixed refused'];
  expect([exitCode, stdout.text]).toEqual([0, `${expected.join('\n')}\n`]);
  for (const name of ways) expect(read(join(rig.work, name, 'from-guest'))).toBe(`${name}\n`);
  expect(readdirSync(join(rig.work, 'fixed'))).toEqual(['from-host']);
  expect(rig.leftovers()).toEqual([]);
});

test('what root of the guest makes setuid is not on the host, and neither is a device', async () => {
  await using rig = realRig();
  // by 9p bits are let through to an ordinary user
  const ways = isRoot ? ['sshfs', '9p'] : ['sshfs'];
  for (const way of ways) {
    rig.write({ [`${way}/there`]: 'there' });
    symlinkSync('there', join(rig.work, way, 'link'));
  }
  const folders = ways.map((way) => `{ host = "./${way}", guest = "/srv/${way}", via = "${way}" }`);
  rig.write({ 'vm.toml': `shared-folder = [${folders.join(', ')}]\n` });
  const inside = [
    'cp /bin/busybox suid; chmod 6755 suid there; mkdir d; chmod 2777 d; mknod device b 8 0; ln -s there made',
    'cp -p suid copy; install -m 4755 suid installed; echo "#!/bin/sh" > tool; chmod 755 tool; ./tool && echo ran',
  ].join('\n');
  const command = `for d in /srv/*; do cd $d; sudo sh -c '${inside}' 2>/dev/null; done`;
  const { exitCode, stdout } = await rig.run([
    ...['run', tiny, ...PATIENTLY, '--config', 'vm.toml', '--cmd', command],
  ]);
  expect([exitCode, stdout.text]).toEqual([0, 'ran\n'.repeat(ways.length)]);
  for (const way of ways) {
    const left = (name: string): Stats => lstatSync(join(rig.work, way, name));
    for (const name of ['suid', 'there', 'd', 'copy', 'installed', 'tool']) {
      const { mode, uid } = left(name);
      expect([way, name, mode & 0o6000, uid]).toEqual([way, name, 0, process.getuid?.()]);
    }
    expect(left('suid').size).toBe(left('copy').size);
    expect(left('tool').mode & 0o755).toBe(0o755);
    const kinds = readdirSync(join(rig.work, way), { withFileTypes: true });
    expect(kinds.filter((one) => !one.isFile() && !one.isDirectory() && !one.isSymbolicLink())).toEqual([]);
  }
});

test.runIf(isRoot)(
  'by virtiofs root shares nothing that can be written, and is told before anything boots',
  async () => {
    await using rig = realRig();
    const folder = '{ host = "./a", guest = "/a", via = "virtiofs" }';
    rig.write({ 'a/b': 'c', 'vm.toml': `shared-folder = [${folder}]\n` });
    const { exitCode, stderr } = await rig.run([
      ...['run', tiny, ...PATIENTLY, '--config', 'vm.toml', '--cmd', 'true'],
    ]);
    expect(stderr.text).toMatch(/virtiofs, served by root, [\s\S]*hint: run transient as an ordinary user/);
    expect([exitCode, rig.images]).toEqual([1, []]);
  },
);

test.runIf(!isRoot)('a virtiofsd that cannot run as this user is reported, and what to do', async () => {
  await using rig = realRig();
  rig.write({
    'a/b': 'c',
    'vm.toml': 'shared-folder = [{ host = "./a", guest = "/a", via = "virtiofs" }]\n',
  });
  const { exitCode, stderr } = await rig.run([
    'run',
    tiny,
    ...PATIENTLY,
    '--config',
    'vm.toml',
    '--cmd',
    'true',
  ]);
  expect(stderr.text).toMatch(/virtiofsd did not start[\s\S]*share it by sshfs/);
  expect(exitCode).toBe(1);
});

test.for([
  [
    'the SFTP server',
    (rig: Rig) => kill(rig, 'sftp-server'),
    'the SFTP server on the host ended (killed by SIGKILL)',
  ],
  ['sshfs in the guest', undefined, 'its connection to the guest ended'],
] as const)('when %s dies, it is reported at once, and the command goes on', async ([, onHost, words]) => {
  await using rig = realRig();
  rig.write({ 'a/b': 'c' });
  const inGuest = onHost ? 'until [ -e go ]; do sleep 0.2; done' : 'sudo kill -9 $(pidof sshfs); sleep 4';
  const run = rig.start(['run', tiny, ...PATIENTLY, '-s', './a:/a', '--cmd', `echo up; ${inGuest}; exit 5`]);
  await run.waitFor(/^up$/m, 'stdout');
  onHost?.(rig);
  await run.waitFor(/warning: shared folder \S+:\/a is gone: /);
  if (onHost) run.signal('SIGTERM');
  const { exitCode, stderr } = await run.ended;
  expect(stderr.text).toContain(words);
  expect(exitCode).toBe(onHost ? 143 : 5);
  expect(rig.leftovers()).toEqual([]);
});

function kill(rig: Rig, name: string): void {
  const found = rig.processes.flatMap((pid) =>
    childrenOf(pid).filter((child) => commandLineOf(child).includes(name)),
  );
  expect(found.length).toBeGreaterThan(0);
  for (const pid of found) process.kill(pid, 'SIGKILL');
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

async function md5(path: string): Promise<string> {
  const hash = createHash('md5');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}
