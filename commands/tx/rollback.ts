import { string } from "@oclif/core/flags";
import { ConnectedCommand } from "../../src/console/base-command.js";
import {
  checkTransactionId,
  transactionArgument,
} from "../../src/console/transaction-arguments.js";

export default class TxRollback extends ConnectedCommand {
  static override summary = "end a transaction without a trace, or go back to a savepoint";
  static override description = "Fine for one that has ended already, unless it was committed.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> $id",
    "<%= config.bin %> <%= command.id %> $id --to before-import",
  ];
  static override args = { id: transactionArgument };
  static override flags = {
    to: string({ description: "only what was done after this savepoint", helpValue: "NAME" }),
  };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(TxRollback);
    const id = checkTransactionId(args.id);
    await this.withDatabase(flags, async (database) => {
      const transaction = await database.transaction(id);
      if (flags.to === undefined) await transaction.rollback();
      else await transaction.rollbackTo(flags.to);
    });
    const status = flags.to === undefined ? "rolled-back" : "open";
    if (flags.json) await this.output.json({ id, status });
    else await this.output.line(status === "open" ? `back at ${flags.to ?? ""}` : "rolled back");
  }
}
