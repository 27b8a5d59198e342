import { writeFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { string as argument } from "@oclif/core/args";
import { string } from "@oclif/core/flags";
import { BaseCommand } from "../../src/console/base-command.js";
import { usageError } from "../../src/console/failure.js";

export default class BenchReport extends BaseCommand {
  static override summary = "draw kept runs as one page of HTML";
  static override description =
    "Takes files of bench run --out, and those that npm run bench keeps in bench/results. Runs that did the same work are drawn together: operations a second with every repetition, latency by percentile, and over the rate where there are several open loops. The page needs nothing else and fetches nothing.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> before.json after.json --out report.html",
    {
      description: "latency over rate",
      command:
        "for R in 1000 2000 4000 8000; do balsa bench run --rate $R --out open-$R.json; done; <%= config.bin %> <%= command.id %> open-*.json",
    },
  ];
  static override strict = false;
  static override args = {
    file: argument({
      description: "what was kept of runs; one or more",
      required: true,
      ignoreStdin: true,
    }),
  };
  static override flags = {
    out: string({ description: "the page", default: "report.html", helpValue: "FILE" }),
    title: string({ description: "above the page", default: "Balsa, measured", helpValue: "TEXT" }),
  };

  async run(): Promise<void> {
    const { argv, flags } = await this.parse(BenchReport);
    const { readSeries } = await import("../../bench/report/series.js");
    const { reportPage } = await import("../../bench/report/page.js");
    const series = argv.flatMap((file) => readSeries(String(file)));
    if (series.length === 0) {
      throw usageError("these files hold no measurement", "balsa bench run --out one.json");
    }
    writeFileSync(flags.out, reportPage(flags.title, series));
    const file = path.relative(process.cwd(), path.resolve(flags.out));
    if (flags.json) await this.output.json({ file, runs: series.length });
    else await this.output.line(file);
  }
}
