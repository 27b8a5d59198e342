import { ConnectedCommand } from "../../src/console/base-command.js";
import { wholeNumber } from "../../src/console/whole-number.js";

export default class KvCompact extends ConnectedCommand {
  static override summary = "forget history";
  static override description =
    "What keys were before REVISION cannot be read any more, on any node; what they are is untouched. Nodes forget by themselves what is beyond their limits (node start --history-changes).";
  static override examples = ["<%= config.bin %> <%= command.id %> 1000"];
  static override args = {
    revision: wholeNumber({
      description: "the oldest revision that can still be read",
      required: true,
      ignoreStdin: true,
    }),
  };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(KvCompact);
    await this.withDatabase(flags, (database) => database.compact(args.revision));
    if (flags.json) await this.output.json({ compactedRevision: args.revision });
    else await this.output.line(`history begins at revision ${args.revision}`);
  }
}
