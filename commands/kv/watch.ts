import { boolean, integer } from "@oclif/core/flags";
import { ConnectedCommand } from "../../src/console/base-command.js";
import { changeJson, changeLine } from "../../src/console/change-lines.js";
import { keyFlag, prefixArgument, rangeOf } from "../../src/console/range-arguments.js";

export default class KvWatch extends ConnectedCommand {
  static override summary = "tell changes as they are made";
  static override description =
    "One change a line, in the order of their revisions, until Ctrl-C; with --from from a revision of the past on. It survives nodes and leaders that die; what it has told last is where to go on: --from that revision + 1.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> user:",
    "<%= config.bin %> <%= command.id %> user: --from 17 --json",
    "<%= config.bin %> <%= command.id %> greeting --key --limit 1",
  ];
  static override args = { prefix: prefixArgument };
  static override flags = {
    key: keyFlag,
    from: integer({
      description: "the first revision to tell of [default: the next]",
      min: 1,
      helpValue: "REV",
    }),
    previous: boolean({ description: "with --json: each change tells the value before it" }),
    limit: integer({ description: "stop after N changes", min: 1, helpValue: "N" }),
  };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(KvWatch);
    const range = rangeOf(args.prefix, flags.key);
    const options = {
      previous: flags.previous,
      ...(flags.from !== undefined && { from: flags.from }),
    };
    let left = flags.limit ?? Infinity;
    await this.withDatabase(flags, async (database) => {
      for await (const event of database.watch(range, options)) {
        if (event.kind !== "changes") {
          if (event.kind === "caughtUp") this.note(`caught up at revision ${event.revision}`);
          continue;
        }
        for (const change of event.changes.slice(0, left)) {
          if (flags.json) await this.output.json(changeJson(change));
          else await this.output.line(changeLine(change));
        }
        // Whoever watches wants to see it now.
        await this.output.flush();
        left -= event.changes.length;
        if (left <= 0) return;
      }
    });
  }
}
