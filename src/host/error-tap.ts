/** Passes bytes through and reports an error of the source before the reader sees it. */
export async function* tapErrors(
  bytes: AsyncIterable<Buffer> | Promise<AsyncIterable<Buffer>>,
  onFault: (error: unknown) => void,
): AsyncGenerator<Buffer> {
  try {
    yield* await bytes;
  } catch (error) {
    onFault(error);
    throw error;
  }
}
