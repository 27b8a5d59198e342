import process from "node:process";
import { ConnectedCommand } from "../../src/console/base-command.js";
import { CommandError, EXIT } from "../../src/console/failure.js";
import { checkKey, keyArgument } from "../../src/console/kv-arguments.js";
import { atFlag, revisionFlag, timeOf } from "../../src/console/range-arguments.js";
import { recordJson } from "../../src/console/records.js";

export default class KvGet extends ConnectedCommand {
  static override summary = "read a key";
  static override description =
    "Prints the value's exact bytes, with a newline behind them only on a terminal. A missing key exits 3. The read is linearizable, on any node.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> greeting",
    "<%= config.bin %> <%= command.id %> photo > photo.jpg",
    "<%= config.bin %> <%= command.id %> greeting --json",
    "<%= config.bin %> <%= command.id %> greeting --revision 17",
    "<%= config.bin %> <%= command.id %> greeting --at 2026-11-21T10:00:00Z",
  ];
  static override args = { key: keyArgument };
  static override flags = { revision: revisionFlag, at: atFlag };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(KvGet);
    const key = checkKey(args.key);
    const time = flags.at === undefined ? undefined : timeOf(flags.at, "--at");
    const record = await this.withDatabase(flags, async (database) => {
      const revision = time === undefined ? flags.revision : await database.revisionAt(time);
      return database.get(key, revision === undefined ? {} : { revision });
    });
    if (record === undefined) {
      const then = flags.revision === undefined && time === undefined ? "is" : "was then";
      throw new CommandError("NOT_FOUND", EXIT.notFound, `there ${then} no key "${key}"`, {
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
