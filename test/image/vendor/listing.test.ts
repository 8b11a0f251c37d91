import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { namesInListing } from '../../../src/image/vendor/listing.ts';
import { apacheListing, nginxListing } from '../../rig/vendor-sites.ts';

const NAMES = ['v20260915.100000/', 'a-image_1.qcow2', 'a-image_1.qcow2.sha512'];

const LIGHTTPD = `<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.1//EN" "http://www.w3.org/TR/xhtml11/DTD/xhtml11.dtd">
<html><body><table><tbody>
<tr class="d"><td class="n"><a href="../">..</a>/</td></tr>
${NAMES.map((name) => `<tr><td class="n"><a href="${name}">${name}</a></td><td class="m">2026-May-25</td></tr>`).join('\n')}
</tbody></table></body></html>`;

const BUCKET = `<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult><Name>images</Name><CommonPrefixes><Prefix>images/v20260915.100000/</Prefix></CommonPrefixes>
<Contents><Key>images/a-image_1.qcow2</Key><Size>3</Size></Contents><Contents><Key>images/a-image_1.qcow2.sha512</Key></Contents>
</ListBucketResult>`;

describe('the names in a listing', () => {
  test.each([
    ['Apache', apacheListing(NAMES)],
    ['nginx', nginxListing(NAMES)],
    ['lighttpd', LIGHTTPD],
    ['a bucket', BUCKET],
    ['absolute links', NAMES.map((name) => `<a class=x href='/pub/images/${name}'>x</a>`).join('')],
    ['whole URLs', NAMES.map((name) => `<A HREF="https://example.org/pub/${name}">x</A>`).join('')],
    ['links without quotes', NAMES.map((name) => `<a href=./${name}>x</a>`).join('')],
    [
      'encoded links',
      NAMES.map((name) => `<a href="${name.replaceAll('-', '%2D').replaceAll('_', '%5f')}">x</a>`).join(''),
    ],
  ])('of %s', (_server, listing) => {
    const names = namesInListing(listing).filter((name) => /^(?:v|a-)/.test(name));
    expect(names).toEqual(NAMES);
  });

  test('are those of files in a directory', () => {
    const links = ['..', '../', '.', './', 'a%2Fb', '..%2Fa', '%00a', '%ff', '', '/', '?C=N;O=D', '#top'];
    expect(namesInListing(links.map((link) => `<a href="${link}">x</a>`).join('\n'))).toEqual([]);
  });

  test('entities stand for characters', () => {
    expect(namesInListing('<a href="a&amp;b.img?x=1">x</a>')).toEqual(['a&b.img']);
  });

  test('of any text are no paths', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary-ascii' }), fc.webPath(), (text, path) => {
        for (const name of namesInListing(`${text}<a href="${path}">`)) expect(name).toMatch(/^[^/]+\/?$/);
      }),
    );
  });
});
