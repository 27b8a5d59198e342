/**
 * Standard output as commands use it: bytes in order, gathered into large
 * writes, never faster than the reader.
 *
 * A reader that has seen enough (`balsa kv list | head`) closes its end; that is
 * the end of the command, not a failure. A full disk behind it is one; what the
 * command did is done all the same.
 */
import type { Writable } from "node:stream";
import { CommandError, EXIT } from "./failure.js";

/** The reader closed its end. Ends the command with success, in silence. */
export class OutputClosed extends Error {
  override readonly name = "OutputClosed";
}

const GATHERED_SIZE_MAX = 64 * 1024;

export class Output {
  readonly #stream: Writable;
  #gathered: Uint8Array[] = [];
  #gatheredSize = 0;

  constructor(stream: Writable) {
    this.#stream = stream;
  }

  /** Takes bytes or text (UTF-8) exactly as they are. @throws {OutputClosed} */
  async write(content: string | Uint8Array): Promise<void> {
    const bytes = typeof content === "string" ? Buffer.from(content) : content;
    this.#gathered.push(bytes);
    this.#gatheredSize += bytes.length;
    if (this.#gatheredSize >= GATHERED_SIZE_MAX) await this.flush();
  }

  async line(text: string): Promise<void> {
    await this.write(`${text}\n`);
  }

  /** One JSON value on a line of its own. */
  async json(value: unknown): Promise<void> {
    await this.line(JSON.stringify(value));
  }

  /** Resolves when everything was handed to the system. @throws {OutputClosed} {CommandError} when it takes nothing */
  async flush(): Promise<void> {
    if (this.#gatheredSize === 0) return;
    const bytes = Buffer.concat(this.#gathered, this.#gatheredSize);
    this.#gathered = [];
    this.#gatheredSize = 0;
    await new Promise<void>((resolve, reject) => {
      this.#stream.write(bytes, (error) => {
        if (error === null || error === undefined) resolve();
        else reject(isClosedPipe(error) ? new OutputClosed("the reader is gone") : untold(error));
      });
    });
  }
}

function untold(error: Error): CommandError {
  return new CommandError(
    "OUTPUT_FAILED",
    EXIT.unexpected,
    `standard output takes nothing (${error.message}): what the command was to do may be done all the same`,
    {
      cause: error,
      outcome: "unknown",
      tryThis: "make room where standard output goes; then look before you repeat a change",
    },
  );
}

function isClosedPipe(error: Error): boolean {
  if (!("code" in error)) return false;
  return error.code === "EPIPE" || error.code === "ERR_STREAM_DESTROYED";
}
