import { string as argument } from "@oclif/core/args";
import { integer, string } from "@oclif/core/flags";
import { parseEndpoints } from "../../src/console/address.js";
import { ConnectedCommand } from "../../src/console/base-command.js";
import { usageError } from "../../src/console/failure.js";
import { LOG_HEADING, logLine, logText } from "../../src/console/log-lines.js";
import { DirectorySource, NodeSource, type LogSource } from "../../src/console/log-source.js";
import { bufferOf } from "../../src/console/text.js";

export default class LogInspect extends ConnectedCommand {
  static override summary = "the entries of a log, in order";
  static override description =
    "Of a data directory (read-only; its node may be running or not), or of a node, with --endpoints and one address. A line a command; the commands of one block share its index. A node's log may hold entries behind its last committed one.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> data/n1",
    "<%= config.bin %> <%= command.id %> data/n1 --from 1000 --limit 20 --json",
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
    from: integer({ description: "begin at this index", min: 1, helpValue: "INDEX" }),
    limit: integer({ description: "stop after N lines", min: 1, helpValue: "N" }),
    request: string({
      description: "only the commands of the request with this id",
      helpValue: "HEX",
    }),
  };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(LogInspect);
    if (flags.request !== undefined && !/^[0-9a-fA-F]{32}$/.test(flags.request)) {
      throw usageError(
        "--request is not 32 hex digits",
        "the request id as it was printed with the failure",
      );
    }
    const chosen = {
      from: flags.from,
      limit: flags.limit,
      request: flags.request?.toLowerCase(),
      json: flags.json,
    };
    if (args.dir !== undefined) {
      if (this.given("endpoints")) {
        throw usageError("DIR and --endpoints exclude each other", "balsa log inspect DIR");
      }
      const log = await DirectorySource.open(args.dir);
      try {
        await this.#print(log, chosen);
      } finally {
        log.close();
      }
      return;
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

  async #print(
    source: LogSource,
    chosen: {
      readonly from: number | undefined;
      readonly limit: number | undefined;
      readonly request: string | undefined;
      readonly json: boolean;
    },
  ): Promise<void> {
    if (!chosen.json) {
      await this.output.line(
        `${source.name} (node ${source.nodeId}): entries ${source.firstIndex} to ${source.lastIndex}`,
      );
      await this.output.line(LOG_HEADING);
    }
    let left = chosen.limit ?? Number.POSITIVE_INFINITY;
    for await (const rows of source.blocks(Math.max(chosen.from ?? 1, source.firstIndex))) {
      let first = true;
      for (const row of rows) {
        if (
          chosen.request !== undefined &&
          bufferOf(row.request).toString("hex") !== chosen.request
        )
          continue;
        if (chosen.json) await this.output.json(logLine(row));
        else await this.output.line(logText(row, first));
        first = false;
        left -= 1;
        if (left === 0) break;
      }
      if (left === 0) break;
    }
    await this.output.flush();
  }
}
