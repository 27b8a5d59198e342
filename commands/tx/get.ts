import process from "node:process";
import { ConnectedCommand } from "../../src/console/base-command.js";
import { CommandError, EXIT } from "../../src/console/failure.js";
import { checkKey, keyArgument } from "../../src/console/kv-arguments.js";
import { recordJson } from "../../src/console/records.js";
import {
  checkTransactionId,
  transactionArgument,
} from "../../src/console/transaction-arguments.js";

export default class TxGet extends ConnectedCommand {
  static override summary = "read a key in a transaction";
  static override description =
    "The key as it was when the transaction began, or as the transaction has set it. What is read is validated at the commit, a missing key (exit 3) too.";
  static override examples = ["<%= config.bin %> <%= command.id %> $id greeting"];
  static override args = { id: transactionArgument, key: keyArgument };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(TxGet);
    const id = checkTransactionId(args.id);
    const key = checkKey(args.key);
    const record = await this.withDatabase(flags, async (database) => {
      const transaction = await database.transaction(id);
      const found = await transaction.get(key);
      await transaction.detach();
      return found;
    });
    if (record === undefined)
      throw new CommandError("NOT_FOUND", EXIT.notFound, `the transaction sees no key "${key}"`);
    if (flags.json) {
      await this.output.json(recordJson(record));
    } else {
      await this.output.write(record.value);
      if (process.stdout.isTTY) await this.output.write("\n");
    }
  }
}
