import { string } from "@oclif/core/args";
import { BaseCommand } from "../../src/console/base-command.js";

export default class BenchCompare extends BaseCommand {
  static override summary = "whether two kept runs differ, and by how much";
  static override description = `Compares the repetitions of two files that bench run --out wrote: the ratio of their medians, the interval it lies in 95 times of 100, and the probability P that chance alone would put them so far apart (Mann and Whitney). Above 0.05 no difference is shown, however the numbers look; four repetitions in each are the least that can show one.

A machine changes from minute to minute: what was measured in turn (A, B, A, B) says more than one run an hour after another.`;
  static override examples = [
    {
      description: "before and after a change",
      command: "<%= config.bin %> <%= command.id %> before.json after.json",
    },
    "<%= config.bin %> <%= command.id %> before.json after.json --json",
  ];
  static override args = {
    a: string({ description: "the run to compare with", required: true, ignoreStdin: true }),
    b: string({ description: "the run that is judged", required: true, ignoreStdin: true }),
  };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(BenchCompare);
    const { readRunFile } = await import("../../bench/run-file.js");
    const { compareRuns, comparisonLines } = await import("../../bench/report/run-comparison.js");
    const [a, b] = [readRunFile(args.a), readRunFile(args.b)];
    const comparison = compareRuns(a, b);
    if (flags.json) await this.output.json({ a: a.label, b: b.label, ...comparison });
    else for (const line of comparisonLines(comparison, a, b)) await this.output.line(line);
  }
}
