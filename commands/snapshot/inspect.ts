import process from "node:process";
import { string } from "@oclif/core/args";
import { BaseCommand } from "../../src/console/base-command.js";
import { EXIT, failureJson, failureOf } from "../../src/console/failure.js";
import { startProgress } from "../../src/console/progress.js";
import {
  inspectSnapshot,
  snapshotFailure,
  snapshotFiles,
  snapshotJson,
  snapshotLines,
  type SnapshotFinding,
} from "../../src/console/snapshot-report.js";

export default class SnapshotInspect extends BaseCommand {
  static override summary = "what is in a snapshot, every byte of it checked";
  static override description =
    "Of one file, or of all snapshots of a data directory. Read-only; the node may be running. With --json a line a snapshot. Exits 8 when one is damaged.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> backup.avro",
    "<%= config.bin %> <%= command.id %> data/n1 --json",
  ];
  static override args = {
    path: string({
      name: "FILE|DIR",
      description: "a snapshot, or a data directory",
      required: true,
      ignoreStdin: true,
    }),
  };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(SnapshotInspect);
    const findings: SnapshotFinding[] = [];
    const progress = await startProgress("reading", 1);
    try {
      for (const file of await snapshotFiles(args.path)) {
        findings.push(
          await inspectSnapshot(file, (done, all) => {
            progress.update(done / Math.max(1, all), "");
          }),
        );
      }
    } finally {
      progress.stop();
    }
    const failure = snapshotFailure(findings);
    for (const finding of findings) {
      if (flags.json && finding.kind === "damaged" && failure !== undefined) {
        // The failure as ever, and beside it what it is about.
        const { error } = failureJson(failureOf(failure, "balsa snapshot inspect"));
        await this.output.json({ error, ...snapshotJson(finding) });
      } else if (flags.json) await this.output.json(snapshotJson(finding));
      else for (const line of snapshotLines(finding)) await this.output.line(line);
    }
    await this.output.flush();
    if (failure === undefined) return;
    process.exitCode = EXIT.corruption;
    if (!flags.json) throw failure;
  }
}
