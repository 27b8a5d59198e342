import { ConnectedCommand } from "../../src/console/base-command.js";
import {
  checkTransactionId,
  transactionArgument,
} from "../../src/console/transaction-arguments.js";

export default class TxCommit extends ConnectedCommand {
  static override summary = "apply all that a transaction has written, or nothing";
  static override description =
    "In one revision. If what it has read was changed by another it conflicts (exit 4, with the keys) and is over. Asked again it tells the same, for ten minutes: after a cut-off too.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> $id",
    "<%= config.bin %> <%= command.id %> $id --json",
  ];
  static override args = { id: transactionArgument };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(TxCommit);
    const id = checkTransactionId(args.id);
    const { revision } = await this.withDatabase(flags, async (database) =>
      (await database.transaction(id)).commit(),
    );
    if (flags.json) await this.output.json({ id, status: "committed", revision });
    else await this.output.line(`committed, revision ${revision}`);
  }
}
