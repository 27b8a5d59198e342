import process from "node:process";
import { string } from "@oclif/core/args";
import { BaseCommand } from "../../src/console/base-command.js";
import { EXIT, failureJson, failureOf } from "../../src/console/failure.js";
import { startProgress } from "../../src/console/progress.js";
import { corruptionError, verifyJson, verifyLines } from "../../src/console/verify-report.js";

/** Enough for a bar to move evenly, without counting bytes. */
const STEPS = 1000;

export default class LogVerify extends BaseCommand {
  static override summary = "read every byte of a data directory and check it";
  static override description =
    "Segments, archived segments, snapshots, hard state and identity, and whether they fit each other. Read-only; the node may be running. Exits 8 when something is damaged. What a crash leaves behind, like a torn write at the very end, is no damage: nobody was told of it, and the next start sets it right.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> data/n1",
    "<%= config.bin %> <%= command.id %> data/n1 --json",
  ];
  static override args = {
    dir: string({
      description: "a data directory, for example data/n1",
      required: true,
      ignoreStdin: true,
    }),
  };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(LogVerify);
    const { verifyDirectory } = await import("../../src/storage/verification.js");
    const progress = await startProgress("verifying", STEPS);
    try {
      const report = verifyDirectory(args.dir, (done, all) => {
        progress.update(Math.floor((STEPS * done) / Math.max(1, all)), "");
      });
      progress.stop();
      const failure = corruptionError(report);
      if (!flags.json) {
        for (const line of verifyLines(args.dir, report)) await this.output.line(line);
      } else if (failure === undefined) {
        await this.output.json(verifyJson(args.dir, report));
      } else {
        // One object: the failure as ever, and beside it what was found.
        const { error } = failureJson(failureOf(failure, "balsa log verify"));
        await this.output.json({ error, ...verifyJson(args.dir, report) });
        process.exitCode = EXIT.corruption;
        return;
      }
      await this.output.flush();
      if (failure !== undefined) throw failure;
    } finally {
      progress.stop();
    }
  }
}
