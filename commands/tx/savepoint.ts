import { string } from "@oclif/core/args";
import { ConnectedCommand } from "../../src/console/base-command.js";
import {
  checkTransactionId,
  transactionArgument,
} from "../../src/console/transaction-arguments.js";

export default class TxSavepoint extends ConnectedCommand {
  static override summary = "mark a place in a transaction to come back to";
  static override description = "With `tx rollback ID --to NAME`. A name that is used again moves.";
  static override examples = ["<%= config.bin %> <%= command.id %> $id before-import"];
  static override args = {
    id: transactionArgument,
    name: string({ description: "1 to 256 bytes", required: true, ignoreStdin: true }),
  };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(TxSavepoint);
    const id = checkTransactionId(args.id);
    await this.withDatabase(flags, async (database) => {
      await (await database.transaction(id)).savepoint(args.name);
    });
    if (flags.json) await this.output.json({ id, savepoint: args.name });
  }
}
