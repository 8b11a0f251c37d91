/** The same bytes; whoever passes them on learns what went wrong with their source before their reader does. */
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
