import { join } from 'node:path';

/**
 * A name as a file name, the way the Python transient writes it: everything but letters, digits, `_`, `.` and
 * `~` as `%XX` of its UTF-8 bytes, also `-`. The result never holds a slash, nor is it `.` or `..`.
 */
export function encodeName(name: string): string {
  const encoded = encodeURIComponent(name).replaceAll(
    /[-!*'()]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return /^\.{1,2}$/.test(encoded) ? encoded.replaceAll('.', '%2E') : encoded;
}

/** The name that a file name of a store stands for, or undefined where it is none. */
export function decodeName(fileName: string): string | undefined {
  try {
    return decodeURIComponent(fileName);
  } catch {
    return undefined;
  }
}

/** The file of an image in a backend. */
export function imagePath(backend: string, image: string): string {
  return join(backend, encodeName(image));
}
