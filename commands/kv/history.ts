import { boolean, integer } from "@oclif/core/flags";
import { ConnectedCommand } from "../../src/console/base-command.js";
import { changeJson, changeLine } from "../../src/console/change-lines.js";
import { checkKey, keyArgument } from "../../src/console/kv-arguments.js";

export default class KvHistory extends ConnectedCommand {
  static override summary = "what a key was, and when";
  static override description =
    "One change a line, the newest first, as far back as history is kept: revision, time, put or delete, key, value.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> greeting",
    "<%= config.bin %> <%= command.id %> greeting --limit 3 --json",
    "<%= config.bin %> <%= command.id %> greeting --oldest-first",
  ];
  static override args = { key: keyArgument };
  static override flags = {
    limit: integer({ description: "stop after N changes", min: 1, helpValue: "N" }),
    "oldest-first": boolean({ description: "begin with the oldest that is kept" }),
  };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(KvHistory);
    const key = checkKey(args.key);
    const order = flags["oldest-first"] ? "oldest-first" : "newest-first";
    await this.withDatabase(flags, async (database) => {
      const options = { order, ...(flags.limit !== undefined && { limit: flags.limit }) } as const;
      let count = 0;
      for await (const change of database.history(key, options)) {
        count += 1;
        if (flags.json) await this.output.json(changeJson(change));
        else await this.output.line(changeLine(change));
      }
      await this.output.flush();
      if (count === 0) this.note(`no change of "${args.key}" is kept`);
    });
  }
}
