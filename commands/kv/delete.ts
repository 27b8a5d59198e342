import { ConnectedCommand } from "../../src/console/base-command.js";
import { checkKey, keyArgument } from "../../src/console/kv-arguments.js";
import { bytesField } from "../../src/console/text.js";

export default class KvDelete extends ConnectedCommand {
  static override summary = "remove a key";
  static override description =
    "Removing a key that is not there changes nothing and is no failure; the answer says which it was.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> greeting",
    "<%= config.bin %> <%= command.id %> greeting --json",
  ];
  static override args = { key: keyArgument };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(KvDelete);
    const key = checkKey(args.key);
    const { revision, deleted } = await this.withDatabase(flags, (database) =>
      database.delete(key),
    );
    if (flags.json) {
      await this.output.json({ ...bytesField("key", Buffer.from(key)), revision, deleted });
    } else {
      await this.output.line(
        deleted === 0 ? `no such key, still revision ${revision}` : `deleted, revision ${revision}`,
      );
    }
  }
}
