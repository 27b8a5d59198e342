import process from "node:process";
import { string } from "@oclif/core/args";
import type { Row } from "../../src/codec/block.js";
import type { OfflineLog as OpenedLog } from "../../src/storage/offline-log.js";
import { parseEndpoints } from "../../src/console/address.js";
import { ConnectedCommand } from "../../src/console/base-command.js";
import { compareLogs, type Comparison, type ReplicaLog } from "../../src/console/compare-logs.js";
import {
  comparisonJson,
  comparisonLines,
  comparisonSentence,
  firstDifferingRows,
  type Side,
} from "../../src/console/comparison-report.js";
import { parseDuration } from "../../src/console/duration.js";
import { CommandError, EXIT, usageError } from "../../src/console/failure.js";
import { OfflineSource, RemoteSource, type LogSource } from "../../src/console/log-source.js";

export default class LogCompare extends ConnectedCommand {
  static override summary = "do these replicas agree, and where do they first differ";
  static override description =
    "Of data directories, or of running nodes with --endpoints: those get --timeout to catch up with the longest log there was at the start. Exits 0 only when the last indexes and the checksums there agree; 9 when a replica is behind or differs, and says which.";
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
    const { OfflineLog } = await import("../../src/storage/offline-log.js");
    const opened: OpenedLog[] = [];
    try {
      for (const directory of directories) opened.push(OfflineLog.open(directory));
      const sources = opened.map((log) => new OfflineSource(log));
      await this.#report(await compareLogs(sources), sources, sources, json);
    } finally {
      for (const log of opened) log.close();
    }
  }

  async #compareNodes(
    endpoints: readonly string[],
    timeoutMs: number,
    json: boolean,
  ): Promise<void> {
    const { connect } = await import("../../src/client/remote-database.js");
    const databases: ReturnType<typeof connect>[] = [];
    try {
      for (const endpoint of endpoints) {
        databases.push(connect({ endpoints: [endpoint], timeoutMs }));
      }
      const asked = await Promise.all(
        databases.map((database, at) => RemoteSource.ask(endpoints[at] ?? "", database)),
      );
      // Replicas move while they are asked: what they held at the start is what is compared.
      const goal = Math.max(...asked.map(({ lastIndex }) => lastIndex));
      const deadlineMs = performance.now() + timeoutMs;
      const caughtUp = await Promise.all(asked.map((source) => source.reach(goal, deadlineMs)));
      const logs = caughtUp.map((source) => source.upTo(goal));
      await this.#report(await compareLogs(logs), logs, caughtUp, json);
    } finally {
      await Promise.all(databases.map((database) => database.close()));
    }
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
      sources.every(
        ({ commitIndex }) => commitIndex !== undefined && commitIndex < comparison.index,
      );
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
    return "again in a moment: nothing there is committed yet, and the leader will overwrite it";
  if (comparison.kind === "lag")
    return "start the nodes that are behind and let them catch up, or compare again";
  return "keep the directories; a replica that differs must be rebuilt from the others under a new --data";
}

async function sidesAt(
  comparison: Comparison & { readonly kind: "different" },
  sources: readonly LogSource[],
): Promise<readonly Side[]> {
  const blocks = await Promise.all(sources.map((source) => rowsAt(source, comparison.index)));
  const rows = firstDifferingRows(blocks);
  return sources.map(({ name }, at) => ({
    name,
    term: comparison.points[at]?.term,
    checksum: comparison.points[at]?.checksum,
    row: rows[at],
  }));
}

/** The commands of one entry; undefined when it is not held. */
async function rowsAt(source: LogSource, index: number): Promise<readonly Row[] | undefined> {
  const { decodeRows } = await import("../../src/codec/block.js");
  for await (const entry of source.entries(index)) {
    return entry.index === index ? decodeRows(entry) : undefined;
  }
  return undefined;
}
