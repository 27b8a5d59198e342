import process from "node:process";
import { ConnectedCommand } from "../../src/console/base-command.js";
import { CommandError, EXIT } from "../../src/console/failure.js";
import { checkKey, keyArgument } from "../../src/console/kv-arguments.js";
import { recordJson } from "../../src/console/records.js";

export default class KvGet extends ConnectedCommand {
  static override summary = "read a key";
  static override description =
    "Prints the value's exact bytes, with a newline behind them only on a terminal. A missing key exits 3. The read is linearizable, on any node.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> greeting",
    "<%= config.bin %> <%= command.id %> photo > photo.jpg",
    "<%= config.bin %> <%= command.id %> greeting --json",
  ];
  static override args = { key: keyArgument };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(KvGet);
    const key = checkKey(args.key);
    const record = await this.withDatabase(flags, (database) => database.get(key));
    if (record === undefined) {
      throw new CommandError("NOT_FOUND", EXIT.notFound, `there is no key "${key}"`, {
        tryThis: "balsa kv list, for the keys there are",
      });
    }
    if (flags.json) {
      await this.output.json(recordJson(record));
    } else {
      await this.output.write(record.value);
      if (process.stdout.isTTY) await this.output.write("\n");
    }
  }
}
