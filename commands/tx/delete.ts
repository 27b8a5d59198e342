import { ConnectedCommand } from "../../src/console/base-command.js";
import { checkKey, keyArgument } from "../../src/console/kv-arguments.js";
import { bytesField } from "../../src/console/text.js";
import {
  checkTransactionId,
  transactionArgument,
} from "../../src/console/transaction-arguments.js";

export default class TxDelete extends ConnectedCommand {
  static override summary = "remove a key in a transaction";
  static override description =
    "Whether it is there or not; seen by the transaction alone until its commit.";
  static override examples = ["<%= config.bin %> <%= command.id %> $id greeting"];
  static override args = { id: transactionArgument, key: keyArgument };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(TxDelete);
    const id = checkTransactionId(args.id);
    const key = checkKey(args.key);
    await this.withDatabase(flags, async (database) => {
      await (await database.transaction(id)).delete(key);
    });
    if (flags.json) await this.output.json({ id, ...bytesField("key", Buffer.from(key)) });
  }
}
