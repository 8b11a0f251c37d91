import type { ImageProtocol } from '../../options/values/image-sources.ts';
import { withoutPasswords } from '../../options/password.ts';
import type { Locate } from './location.ts';
import { locatePinned } from './cloud.ts';
import { locateBox } from './vagrant.ts';

/** How the bytes of an image are found, by the protocol of its source (options/values/image-sources.ts). */
export const LOCATE: Readonly<Record<ImageProtocol, Locate>> = {
  file: (path) => Promise.resolve({ location: path, expected: [] }),
  http: (url, _times, { note }) => {
    note(`Downloading image from '${withoutPasswords(url)}'`);
    return Promise.resolve({ location: url, expected: [] });
  },
  vagrant: locateBox,
  cloud: locatePinned,
};
