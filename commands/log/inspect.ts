import process from "node:process";
import { string as argument } from "@oclif/core/args";
import { boolean, integer, string } from "@oclif/core/flags";
import { parseEndpoints } from "../../src/console/address.js";
import { ConnectedCommand } from "../../src/console/base-command.js";
import { EXIT, usageError } from "../../src/console/failure.js";
import { followLog } from "../../src/console/follow-log.js";
import { logFilterOf, type LogFilter } from "../../src/console/log-filter.js";
import { LOG_HEADING, logLine, logText } from "../../src/console/log-lines.js";
import { DirectorySource, NodeSource, type LogSource } from "../../src/console/log-source.js";

interface Chosen {
  readonly filter: LogFilter;
  /** lines */
  readonly limit: number;
  readonly follows: boolean;
  readonly json: boolean;
}

export default class LogInspect extends ConnectedCommand {
  static override summary = "the entries of a log, in order";
  static override description =
    "Of a data directory (read-only; its node may be running or not), or of a node, with --endpoints and one address. A line a command; the commands of one block share its index. A directory may hold entries that are not committed yet; a node tells only what is. With --follow it goes on as the log grows, until Ctrl-C (exit code 130) or --limit.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> data/n1",
    "<%= config.bin %> <%= command.id %> data/n1 --index 1000.. --limit 20 --json",
    "<%= config.bin %> <%= command.id %> data/n1 --key 'user/*' --kind put,delete --archive",
    "<%= config.bin %> <%= command.id %> --endpoints 127.0.0.1:14141 --follow",
    "<%= config.bin %> <%= command.id %> --endpoints 127.0.0.1:14141 --request 5f0c7a2e9b1d4c3fa0e6b8d7c5a49382",
  ];
  static override args = {
    dir: argument({
      description: "a data directory, for example data/n1",
      required: false,
      ignoreStdin: true,
    }),
  };
  static override flags = {
    index: string({ description: "only these entries", helpValue: "N|A..B" }),
    from: integer({ description: "begin at this index", min: 1, helpValue: "INDEX" }),
    to: integer({ description: "end with this index", min: 1, helpValue: "INDEX" }),
    term: string({ description: "only entries of these terms", helpValue: "N|A..B" }),
    key: string({
      description: "only commands on this key, or with a trailing star on all that begin so",
      helpValue: "KEY|PREFIX*",
    }),
    kind: string({
      description: "only commands of these kinds: put, delete, config, …",
      multiple: true,
      multipleNonGreedy: true,
      helpValue: "KIND,",
    }),
    request: string({
      description: "only the commands of the request with this id",
      helpValue: "HEX",
    }),
    limit: integer({ description: "stop after N lines", min: 1, helpValue: "N" }),
    archive: boolean({ description: "begin with the segments that were put into the archive" }),
    follow: boolean({ char: "f", description: "go on as the log grows" }),
  };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(LogInspect);
    const chosen = {
      filter: logFilterOf(flags),
      limit: flags.limit ?? Infinity,
      follows: flags.follow,
      json: flags.json,
    };
    if (args.dir !== undefined) {
      if (this.given("endpoints")) {
        throw usageError("DIR and --endpoints exclude each other", "balsa log inspect DIR");
      }
      const log = await DirectorySource.open(args.dir, { archive: flags.archive });
      try {
        await this.#print(log, chosen);
      } finally {
        log.close();
      }
      return;
    }
    if (flags.archive) {
      throw usageError("--archive is about a directory", "balsa log inspect DIR --archive");
    }
    const [endpoint, ...others] = parseEndpoints(flags.endpoints);
    if (endpoint === undefined || others.length > 0) {
      throw usageError(
        "a log is one node's own, and --endpoints (or BALSA_ENDPOINTS) names several",
        `balsa log inspect --endpoints ${endpoint?.text ?? "127.0.0.1:14141"}`,
      );
    }
    await this.withDatabase(flags, async (database) => {
      await this.#print(await NodeSource.ask(endpoint.text, database), chosen);
    });
  }

  async #print(source: LogSource, chosen: Chosen): Promise<void> {
    const { filter, json } = chosen;
    if (!json) {
      await this.output.line(
        `${source.name} (node ${source.nodeId}): entries ${source.firstIndex} to ${source.lastIndex}`,
      );
      await this.output.line(LOG_HEADING);
    }
    const interrupt = new AbortController();
    const onSignal = (): void => {
      interrupt.abort();
    };
    if (chosen.follows) process.once("SIGINT", onSignal);
    try {
      const from = Math.max(filter.indexes.first, source.firstIndex);
      const blocks = chosen.follows
        ? followLog(source, {
            ...{ from, signal: interrupt.signal },
            onCaughtUp: () => this.output.flush(),
            note: (line) => {
              this.note(line);
            },
          })
        : source.blocks(from);
      await this.#printBlocks(blocks, chosen);
    } finally {
      process.off("SIGINT", onSignal);
    }
    await this.output.flush();
    if (interrupt.signal.aborted) process.exitCode = EXIT.interrupted;
  }

  async #printBlocks(
    blocks: ReturnType<LogSource["blocks"]>,
    { filter, limit, json }: Chosen,
  ): Promise<void> {
    let left = limit;
    for await (const rows of blocks) {
      const [head] = rows;
      if (head === undefined) continue;
      if (head.index > filter.indexes.last || head.term > filter.lastTerm) return;
      let isFirst = true;
      for (const row of rows) {
        if (!filter.wants(row)) continue;
        if (json) await this.output.json(logLine(row));
        else await this.output.line(logText(row, isFirst));
        isFirst = false;
        left -= 1;
        if (left === 0) return;
      }
      if (head.index === filter.indexes.last) return;
    }
  }
}
