import { open, type FileHandle } from "node:fs/promises";
import process from "node:process";
import { string } from "@oclif/core/args";
import { ConnectedCommand } from "../../src/console/base-command.js";
import { usageError } from "../../src/console/failure.js";
import { Loader } from "../../src/console/loader.js";
import { readRecords } from "../../src/console/ndjson.js";
import { startProgress, type Progress } from "../../src/console/progress.js";
import { grouped } from "../../src/console/text.js";

export default class KvLoad extends ConnectedCommand {
  static override summary = "set many keys from NDJSON";
  static override description =
    'FILE holds a line a key: {"key","value"}, or "keyBase64" and "valueBase64" for other bytes. Keys are set in batches, several under way at once; the last line of a key wins. Loading the same file twice does no harm.';
  static override examples = [
    "<%= config.bin %> <%= command.id %> all.ndjson",
    "zcat all.ndjson.gz | <%= config.bin %> <%= command.id %> -",
  ];
  static override args = {
    file: string({ description: "NDJSON; - for stdin", required: true, ignoreStdin: true }),
  };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(KvLoad);
    const file = args.file === "-" ? undefined : await openFile(args.file);
    try {
      const size = file === undefined ? 0 : (await file.stat()).size;
      const progress = await startProgress("loading", size);
      try {
        await this.withDatabase(flags, async (database) => {
          const counted = new CountedChunks(
            file?.createReadStream({ autoClose: false }) ?? process.stdin,
          );
          const loader = new Loader(database, (count) => {
            progress.update(counted.size, `${grouped(count)} keys`);
          });
          await this.#report(loader, counted, flags.json, progress);
        });
      } finally {
        progress.stop();
      }
    } finally {
      await file?.close();
    }
  }

  async #report(
    loader: Loader,
    chunks: CountedChunks,
    json: boolean,
    progress: Progress,
  ): Promise<void> {
    const startedMs = performance.now();
    const keys = await loader.load(readRecords(chunks));
    const seconds = (performance.now() - startedMs) / 1000;
    progress.stop();
    const keysPerSecond = Math.round(keys / Math.max(seconds, 1e-6));
    if (json) await this.output.json({ keys, bytes: chunks.size, seconds, keysPerSecond });
    else {
      await this.output.line(
        `loaded ${grouped(keys)} ${keys === 1 ? "key" : "keys"} in ${seconds.toFixed(2)} s: ${grouped(keysPerSecond)} keys/s`,
      );
    }
  }
}

async function openFile(name: string): Promise<FileHandle> {
  try {
    const file = await open(name, "r");
    if (!(await file.stat()).isDirectory()) return file;
    await file.close();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw usageError(`cannot read "${name}": ${reason}`, "balsa kv load FILE, or - for stdin");
  }
  throw usageError(`"${name}" is a directory`, "balsa kv load FILE, or - for stdin");
}

/** Chunks as they come, and how many bytes came. */
class CountedChunks implements AsyncIterable<Uint8Array> {
  size = 0;
  readonly #chunks: AsyncIterable<Uint8Array>;

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for await (const chunk of this.#chunks) {
      this.size += chunk.length;
      yield chunk;
    }
  }
}
