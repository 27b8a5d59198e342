import { integer } from "@oclif/core/flags";
import { ConnectedCommand } from "../../src/console/base-command.js";
import { differenceJson, differenceLines } from "../../src/console/change-lines.js";
import { keyFlag, prefixArgument, rangeOf } from "../../src/console/range-arguments.js";

export default class KvDiff extends ConnectedCommand {
  static override summary = "what changed between two revisions";
  static override description =
    "In byte order of the keys: - and what was, + and what is. What came back to the revision it had is no difference.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> --from 17",
    "<%= config.bin %> <%= command.id %> user: --from 17 --to 40",
    "<%= config.bin %> <%= command.id %> greeting --key --from 17 --json",
  ];
  static override args = { prefix: prefixArgument };
  static override flags = {
    key: keyFlag,
    from: integer({ description: "the first revision", min: 1, required: true, helpValue: "REV" }),
    to: integer({ description: "the second [default: now]", min: 1, helpValue: "REV" }),
  };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(KvDiff);
    const range = rangeOf(args.prefix, flags.key);
    await this.withDatabase(flags, async (database) => {
      for await (const difference of database.diff(range, flags.from, flags.to)) {
        if (flags.json) await this.output.json(differenceJson(difference));
        else for (const line of differenceLines(difference)) await this.output.line(line);
      }
      await this.output.flush();
    });
  }
}
