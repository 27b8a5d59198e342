import { string as argument } from "@oclif/core/args";
import { boolean, string } from "@oclif/core/flags";
import { ConnectedCommand } from "../../src/console/base-command.js";
import { usageError } from "../../src/console/failure.js";
import { startProgress } from "../../src/console/progress.js";
import { copyNewest, fetchSnapshot } from "../../src/console/save-snapshot.js";
import { snapshotJson, snapshotLines } from "../../src/console/snapshot-report.js";
import { beginFile, orNothing } from "../../src/console/unfinished-file.js";
import type { SnapshotSummary } from "../../src/storage/kept-snapshot.js";

/** What stands for "no node is asked". */
const NO_ENDPOINTS = "none";
/** A large state takes a while to write; a node that is gone is noticed all the same. */
const TIMEOUT_DEFAULT = "10m";

export default class SnapshotSave extends ConnectedCommand {
  static override summary = "save a backup: one file that holds everything";
  static override description =
    "Of a running cluster: everything that was acknowledged before the command, as of one moment, written by the node that answers and checked as a whole. Of a directory, with --data: its newest sound snapshot, which the log may have gone beyond. The file appears under its name only when it is whole and on disk. Any Avro reader opens it as a table.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> backup.avro",
    "<%= config.bin %> <%= command.id %> backup.avro --endpoints 10.0.0.1:14141,10.0.0.2:14141",
    {
      description: "Of a node that does not run",
      command: "<%= config.bin %> <%= command.id %> backup.avro --data data/n1",
    },
  ];
  static override args = {
    file: argument({
      description: "the file to be made",
      required: true,
      ignoreStdin: true,
    }),
  };
  static override flags = {
    data: string({
      description: "take the newest snapshot of this data directory, and ask no node",
      helpValue: "DIR",
    }),
    force: boolean({ description: "replace FILE when it is there" }),
  };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(SnapshotSave);
    const isOffline = flags.endpoints === NO_ENDPOINTS;
    if (isOffline && flags.data === undefined) {
      throw usageError(
        "--endpoints none asks no node",
        "--data DIR, for a snapshot of a directory",
      );
    }
    if (flags.data !== undefined && this.given("endpoints") && !isOffline) {
      throw usageError("--data and --endpoints exclude each other", `--endpoints ${NO_ENDPOINTS}`);
    }
    const writer = await beginFile(args.file, flags.force);
    const progress = await startProgress("saving", 1);
    const onProgress = (done: number, all: number): void => {
      progress.update(done / Math.max(1, all), "");
    };
    let summary: SnapshotSummary;
    try {
      const note = (line: string): void => {
        this.note(line);
      };
      const timeout = this.given("timeout") ? flags.timeout : TIMEOUT_DEFAULT;
      summary =
        flags.data === undefined
          ? await orNothing(writer, () =>
              this.withDatabase({ ...flags, timeout }, (database) =>
                fetchSnapshot(database, writer, onProgress),
              ),
            )
          : await copyNewest(flags.data, writer, onProgress, note);
    } catch (error) {
      writer.abort();
      throw error;
    } finally {
      progress.stop();
    }
    const finding = { kind: "sound" as const, file: args.file, summary };
    if (flags.json) await this.output.json(snapshotJson(finding));
    else for (const line of snapshotLines(finding)) await this.output.line(line);
  }
}
