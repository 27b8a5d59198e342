/** Standard input as bytes, whole or in chunks; oclif's own reading of it trims, times out and decodes. */
import { usageError } from "./failure.js";

/** Everything up to the end of the stream. @throws {CommandError} usage, beyond `sizeMax` bytes */
export async function readAll(
  stream: AsyncIterable<Uint8Array>,
  sizeMax: number,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of stream) {
    size += chunk.length;
    if (size > sizeMax) {
      throw usageError(
        `standard input holds more than ${sizeMax} bytes, which no value may have`,
        "split the value, or store it elsewhere and keep a reference here",
      );
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}
