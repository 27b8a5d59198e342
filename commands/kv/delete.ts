import { integer } from "@oclif/core/flags";
import { ConnectedCommand } from "../../src/console/base-command.js";
import { appliedRevision } from "../../src/console/condition.js";
import { checkKey, keyArgument } from "../../src/console/kv-arguments.js";
import { bytesField } from "../../src/console/text.js";

export default class KvDelete extends ConnectedCommand {
  static override summary = "remove a key";
  static override description =
    "Removing a key that is not there changes nothing and is no failure; the answer says which it was.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> greeting",
    "<%= config.bin %> <%= command.id %> greeting --if-revision 17",
  ];
  static override args = { key: keyArgument };
  static override flags = {
    "if-revision": integer({
      description: "only if the key was last changed at this revision; otherwise exit 4",
      min: 1,
      helpValue: "N",
    }),
  };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(KvDelete);
    const key = checkKey(args.key);
    const wanted = flags["if-revision"];
    const { revision, deleted } = await this.withDatabase(flags, async (database) => {
      if (wanted === undefined) return database.delete(key);
      const result = await database.deleteIf(key, wanted);
      return { revision: appliedRevision(result, key, wanted), deleted: 1 };
    });
    if (flags.json) {
      await this.output.json({ ...bytesField("key", Buffer.from(key)), revision, deleted });
    } else {
      await this.output.line(
        deleted === 0 ? `no such key, still revision ${revision}` : `deleted, revision ${revision}`,
      );
    }
  }
}
