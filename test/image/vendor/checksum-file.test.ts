import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ChecksumFile } from '../../../src/image/vendor/checksum-file.ts';

const A256 = 'a'.repeat(64);
const B256 = 'b'.repeat(64);
const A512 = 'a'.repeat(128);

function sumOf(text: string, name: string): unknown {
  return ChecksumFile.parse(text).sumOf(name);
}

describe('a checksum file', () => {
  test.each([
    ['of BSD', `SHA256 (f.qcow2) = ${A256}\n`],
    ['of BSD with comments', `# f.qcow2: 3 bytes\nSHA256 (f.qcow2) = ${A256}\n# the end\n`],
    ['of BSD, named twice', `SHA256 (f.qcow2) = ${A256}\nSHA256 (f.qcow2) = ${A256}\n`],
    ['of sha256sum', `${A256}  f.qcow2\n`],
    ['of sha256sum --binary', `${A256} *f.qcow2\n`],
    ['with one space', `${A256} f.qcow2\n`],
    ['without a last line feed', `${A256}  f.qcow2`],
    ['with carriage returns', `${A256}  f.qcow2\r\n${B256}  g\r\n`],
    ['in capitals', `${A256.toUpperCase()}  f.qcow2\n`],
    ['with ./ before the names', `${A256}  ./f.qcow2\n`],
    ['that is bare', `${A256}\n`],
    ['that is bare, in capitals', A256.toUpperCase()],
    [
      'with lines of a log',
      `SHA256 (f.qcow2) = ${A256}\n--2026-11-19 18:16:53--  https://example.org\nHTTP request sent\n`,
    ],
    [
      'that is clear-signed',
      `-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nSHA256 (f.qcow2) = ${A256}\n-----BEGIN PGP SIGNATURE-----\n\niQIz\n-----END PGP SIGNATURE-----\n`,
    ],
  ])('%s', (_form, text) => {
    expect(sumOf(text, 'f.qcow2')).toEqual({ algorithm: 'sha256', digest: A256 });
  });

  test('the length tells the algorithm', () => {
    expect(sumOf(`${A512}  f`, 'f')).toEqual({ algorithm: 'sha512', digest: A512 });
    expect(sumOf(`SHA512 (f) = ${A512}`, 'f')).toEqual({ algorithm: 'sha512', digest: A512 });
    expect(sumOf(A512, 'f')).toEqual({ algorithm: 'sha512', digest: A512 });
  });

  test('of two algorithms, the stronger one', () => {
    expect(sumOf(`SHA256 (f) = ${A256}\nSHA512 (f) = ${A512}\n`, 'f')).toMatchObject({ algorithm: 'sha512' });
  });

  test.each([
    ['a part of a name', `${A256}  GenericCloud-ext4-9.qcow2\n`, 'GenericCloud'],
    ['the end of a name', `${A256}  other-f.qcow2\n`, 'f.qcow2'],
    ['a file in a directory', `${A256}  up/f.qcow2\n`, 'f.qcow2'],
    ['a file above', `${A256}  ../f.qcow2\n`, 'f.qcow2'],
    ['an algorithm that the length contradicts', `SHA512 (f) = ${A256}\n`, 'f'],
    ['a digest that is too short', `${A256.slice(1)}  f\n`, 'f'],
    ['bare digests in several lines', `${A256}\n${B256}\n`, 'f'],
    ['an empty file', '', 'f'],
    ['MD5', `MD5 (f) = ${'a'.repeat(32)}\n`, 'f'],
  ])('has none for %s', (_case, text, name) => {
    expect(sumOf(text, name)).toBeUndefined();
  });

  test('that contradicts itself', () => {
    expect(sumOf(`${A256}  f\n${B256}  f\n`, 'f')).toBe('contradictory');
    expect(sumOf(`SHA256 (f) = ${A256}\n${B256}  f\n`, 'f')).toBe('contradictory');
    expect(sumOf(`${A256}  f\n${A256}  f\n${B256}  g\n`, 'f')).toMatchObject({ digest: A256 });
  });

  test('any text can be parsed', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary-ascii' }), fc.string(), (text, name) => {
        const sum = ChecksumFile.parse(text).sumOf(name);
        expect(sum === undefined || sum === 'contradictory' || /^[0-9a-f]{64,128}$/.test(sum.digest)).toBe(
          true,
        );
      }),
    );
  });

  test('each form of any sums has the same meaning', () => {
    const hex = fc.stringMatching(/^[0-9a-f]{64}$/);
    const name = fc.stringMatching(/^[A-Za-z0-9][\w.+-]{0,20}$/);
    const sums = fc.uniqueArray(fc.record({ name, hex }), { selector: (one) => one.name, minLength: 1 });
    fc.assert(
      fc.property(sums, (all) => {
        const forms = [
          all.map((one) => `SHA256 (${one.name}) = ${one.hex}`),
          all.map((one) => `${one.hex}  ${one.name}`),
          all.map((one) => `${one.hex} *${one.name}`),
          all.flatMap((one) => [`# ${one.name}`, `SHA256 (${one.name}) = ${one.hex.toUpperCase()}`, '']),
        ];
        for (const file of forms.map((lines) => ChecksumFile.parse(lines.join('\n')))) {
          expect(file.names).toEqual(all.map((one) => one.name));
          for (const one of all)
            expect(file.sumOf(one.name)).toEqual({ algorithm: 'sha256', digest: one.hex });
        }
      }),
    );
  });
});
