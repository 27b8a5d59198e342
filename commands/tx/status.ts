import { ConnectedCommand } from "../../src/console/base-command.js";
import {
  checkTransactionId,
  transactionArgument,
  transactionJson,
} from "../../src/console/transaction-arguments.js";

export default class TxStatus extends ConnectedCommand {
  static override summary = "what the cluster knows of a transaction";
  static override description =
    "open, committed, conflict, rolled-back or expired. One that was never begun, or ended so long ago that it is forgotten, exits 3.";
  static override examples = ["<%= config.bin %> <%= command.id %> $id --json"];
  static override args = { id: transactionArgument };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(TxStatus);
    const id = checkTransactionId(args.id);
    const info = await this.withDatabase(flags, async (database) =>
      (await database.transaction(id)).status(),
    );
    if (flags.json) {
      await this.output.json(transactionJson(info));
    } else {
      const at = info.revision === undefined ? "" : `, revision ${info.revision}`;
      await this.output.line(
        `${info.status}${at} (${info.isolation}, reads revision ${info.readRevision})`,
      );
    }
  }
}
