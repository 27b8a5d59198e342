import process from "node:process";
import { string } from "@oclif/core/args";
import { parseEndpoints } from "../../src/console/address.js";
import { ConnectedCommand } from "../../src/console/base-command.js";
import { compareLogs, type Comparison, type ReplicaLog } from "../../src/console/compare-logs.js";
import {
  comparisonJson,
  comparisonLines,
  comparisonSentence,
  sidesAt,
} from "../../src/console/comparison-report.js";
import { parseDuration } from "../../src/console/duration.js";
import { CommandError, EXIT, usageError } from "../../src/console/failure.js";
import { DirectorySource, withNodeLogs, type LogSource } from "../../src/console/log-source.js";

export default class LogCompare extends ConnectedCommand {
  static override summary = "do these replicas agree, and where do they first differ";
  static override description =
    "Of data directories, or of running nodes with --endpoints: those get --timeout to catch up with the longest log there was at the start. Finds the first difference by bisection over the chain of checksums, without reading the logs, and tells block, command, key, and which side stays, where that can be known. Exits 0 only when the last indexes and the checksums there agree; 9 when a replica is behind or differs, and says which.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> data/dev/n1 data/dev/n2 data/dev/n3",
    "<%= config.bin %> <%= command.id %> --endpoints 127.0.0.1:14141,127.0.0.1:14142,127.0.0.1:14143",
  ];
  static override args = {
    dirs: string({
      description: "data directories, two or more",
      required: false,
      multiple: true,
      ignoreStdin: true,
    }),
  };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(LogCompare);
    const directories = args.dirs ?? [];
    if (directories.length > 0) {
      if (this.given("endpoints")) {
        throw usageError("DIR and --endpoints exclude each other", "balsa log compare DIR DIR");
      }
      if (directories.length === 1) {
        throw usageError(
          "one directory has nothing to be compared to",
          "balsa log compare DIR DIR",
        );
      }
      await this.#compareDirectories(directories, flags.json);
      return;
    }
    const endpoints = parseEndpoints(flags.endpoints).map(({ text }) => text);
    if (endpoints.length < 2) {
      throw usageError(
        "a comparison needs two replicas: directories, or two addresses in --endpoints",
        "balsa log compare data/dev/n1 data/dev/n2",
      );
    }
    await this.#compareNodes(endpoints, parseDuration(flags.timeout, "--timeout"), flags.json);
  }

  async #compareDirectories(directories: readonly string[], json: boolean): Promise<void> {
    const sources: DirectorySource[] = [];
    try {
      for (const directory of directories) sources.push(await DirectorySource.open(directory));
      await this.#report(await compareLogs(sources), sources, sources, json);
    } finally {
      for (const source of sources) source.close();
    }
  }

  async #compareNodes(
    endpoints: readonly string[],
    timeoutMs: number,
    json: boolean,
  ): Promise<void> {
    await withNodeLogs(endpoints, timeoutMs, async (sources, goal) => {
      // Replicas move while they are asked: what they held at the start is what is compared.
      const logs = sources.map((source) => source.upTo(goal));
      await this.#report(await compareLogs(logs), logs, sources, json);
    });
  }

  async #report(
    comparison: Comparison,
    logs: readonly ReplicaLog[],
    sources: readonly LogSource[],
    json: boolean,
  ): Promise<void> {
    const sides = comparison.kind === "different" ? await sidesAt(comparison, sources) : [];
    if (json) await this.output.json(comparisonJson(comparison, logs, sides));
    else for (const line of comparisonLines(comparison, logs, sides)) await this.output.line(line);
    await this.output.flush();
    if (comparison.kind === "equal") return;
    const uncommitted =
      comparison.kind === "different" &&
      sides.every(({ fate }) => fate === "will-be-kept" || fate === "will-be-truncated");
    // With --json the answer itself is on stdout, and a second object would spoil it.
    process.exitCode = EXIT.unhealthy;
    if (json) return;
    throw new CommandError("DIVERGENCE", EXIT.unhealthy, comparisonSentence(comparison, logs), {
      tryThis: hint(comparison, uncommitted),
    });
  }
}

function hint(comparison: Comparison, uncommitted: boolean): string {
  if (uncommitted)
    return "again, when the nodes run and have a leader: it replaces what will be truncated";
  if (comparison.kind === "lag")
    return "start the nodes that are behind and let them catch up, or compare again";
  return "keep the directories; a replica that differs must be rebuilt from the others under a new --data";
}
