import process from "node:process";
import { Writable } from "node:stream";
import { string as argument } from "@oclif/core/args";
import { boolean, string } from "@oclif/core/flags";
import { BaseCommand } from "../../src/console/base-command.js";
import { exportLog, EXPORT_FORMATS, isExportFormat } from "../../src/console/export-log.js";
import { usageError } from "../../src/console/failure.js";
import { Output } from "../../src/console/output.js";
import { beginFile, orNothing } from "../../src/console/unfinished-file.js";
import type { WholeFile } from "../../src/storage/whole-file.js";

export default class LogExport extends BaseCommand {
  static override summary = "the whole history of a data directory, as NDJSON or one Avro file";
  static override description =
    "From the oldest archived segment to the last entry. Read-only; the node may be running. NDJSON is a line a command, as `log inspect --json` prints them; Avro is one object container file that any Avro reader opens as a table, with the blocks as they are in the log. With --out the file appears under its name only when it is whole and on disk.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> data/n1 > history.ndjson",
    "<%= config.bin %> <%= command.id %> data/n1 --format avro --out history.avro",
  ];
  static override args = {
    dir: argument({
      description: "a data directory, for example data/n1",
      required: true,
      ignoreStdin: true,
    }),
  };
  static override flags = {
    format: string({
      description: `${EXPORT_FORMATS.join(" or ")} [default: by the name of --out, else ndjson]`,
      helpValue: EXPORT_FORMATS.join("|"),
    }),
    out: string({ description: "write to this file instead of stdout", helpValue: "FILE" }),
    force: boolean({ description: "replace FILE when it is there" }),
  };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(LogExport);
    const { out } = flags;
    const format = flags.format ?? (out?.endsWith(".avro") === true ? "avro" : "ndjson");
    if (!isExportFormat(format)) {
      throw usageError(`--format "${format}" is none`, `--format ${EXPORT_FORMATS.join(", or ")}`);
    }
    const note = (line: string): void => {
      this.note(line);
    };
    if (out === undefined) {
      if (format === "avro" && process.stdout.isTTY) {
        throw usageError("an Avro file is nothing for a terminal", "--out history.avro, or a pipe");
      }
      await exportLog(args.dir, format, this.output, note);
      return;
    }
    const file = await beginFile(out, flags.force);
    const { entryCount, firstIndex, lastIndex } = await orNothing(file, async () => {
      const summary = await exportLog(args.dir, format, new Output(streamInto(file)), note);
      file.finish();
      return summary;
    });
    if (flags.json) {
      const bytes = file.size;
      await this.output.json({
        ...{ file: out, format, entries: entryCount, firstIndex, lastIndex, bytes },
      });
    } else {
      await this.output.line(`${out}: ${entryCount} entries, ${firstIndex} to ${lastIndex}`);
    }
  }
}

function streamInto(file: WholeFile): Writable {
  return new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      try {
        file.write(chunk);
        done();
      } catch (error) {
        done(error instanceof Error ? error : new Error(String(error)));
      }
    },
  });
}
