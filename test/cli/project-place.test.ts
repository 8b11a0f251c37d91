import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { factText } from '../../src/cli/project-place.ts';

const home = realpathSync(mkdtempSync(join(tmpdir(), 'transient-outside-')));
const directory = join(home, 'project');
const place = { directory, workingDirectory: join(directory, 'sub') };

mkdirSync(place.workingDirectory, { recursive: true });
symlinkSync('/etc', join(directory, 'link'));
symlinkSync('sub', join(directory, 'inner'));

afterAll(() => rmSync(home, { recursive: true, force: true }));

test.for([directory, join(directory, 'inner'), join(directory, 'none/x'), './tool', '../tool', 'qemu-img'])(
  '%s is the project’s own, or no path',
  (path) => {
    expect(factText({ text: path, path }, place)).toBe(path);
    expect(factText({ text: '', path }, place)).toBe('');
  },
);

test.for([
  ...['/etc', home, `${directory}-other`, '../../tool', `${directory}/../x`],
  ...[join(directory, 'link'), join(directory, 'link/passwd')],
])('%s is not, also where a link leads there', (path) => {
  expect(factText({ text: path, path }, place)).toBe(`${path} (outside the project)`);
  expect(factText({ text: '', path }, place)).toBe('outside the project');
});

test('where there is no project, nothing is outside of it', () => {
  expect(factText({ text: '/etc', path: '/etc' }, undefined)).toBe('/etc');
});
