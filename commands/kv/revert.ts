import { string } from "@oclif/core/args";
import { integer } from "@oclif/core/flags";
import { ConnectedCommand } from "../../src/console/base-command.js";
import { keyFlag, rangeOf } from "../../src/console/range-arguments.js";

export default class KvRevert extends ConnectedCommand {
  static override summary = "make keys what they were at a revision";
  static override description =
    "By one new change: history is not rewritten, and can be gone back to in turn. If another changes one of the keys meanwhile, nothing is applied (exit 4). To see what it would do: kv diff.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> config/ --to 17",
    "<%= config.bin %> <%= command.id %> greeting --key --to 17",
  ];
  static override args = {
    prefix: string({
      description: "the keys that begin with this; an empty one: all",
      required: true,
      ignoreStdin: true,
    }),
  };
  static override flags = {
    key: keyFlag,
    to: integer({ description: "the revision", min: 1, required: true, helpValue: "REV" }),
  };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(KvRevert);
    const range = rangeOf(args.prefix, flags.key);
    const { revision, changed } = await this.withDatabase(flags, (database) =>
      database.revert(range, flags.to),
    );
    if (flags.json) await this.output.json({ revision, changed });
    else
      await this.output.line(
        changed === 0
          ? `nothing to change, still revision ${revision}`
          : `${changed} ${changed === 1 ? "key" : "keys"} changed, revision ${revision}`,
      );
  }
}
