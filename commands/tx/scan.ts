import { boolean, integer } from "@oclif/core/flags";
import { ConnectedCommand } from "../../src/console/base-command.js";
import { prefixArgument } from "../../src/console/range-arguments.js";
import { recordJson } from "../../src/console/records.js";
import { printable } from "../../src/console/text.js";
import {
  checkTransactionId,
  transactionArgument,
} from "../../src/console/transaction-arguments.js";

export default class TxScan extends ConnectedCommand {
  static override summary = "list keys in a transaction";
  static override description =
    "As `kv list`, as the transaction sees it. The range that was looked at is validated at the commit: a key that another adds to it is a conflict.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> $id user: --values",
    "<%= config.bin %> <%= command.id %> $id --json --limit 10",
  ];
  static override args = { id: transactionArgument, prefix: prefixArgument };
  static override flags = {
    values: boolean({ description: "print the values too, made printable" }),
    limit: integer({ description: "stop after N keys", min: 1, helpValue: "N" }),
  };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(TxScan);
    const id = checkTransactionId(args.id);
    const options = flags.limit === undefined ? {} : { limit: flags.limit };
    await this.withDatabase(flags, async (database) => {
      const transaction = await database.transaction(id);
      for await (const record of transaction.list({ prefix: args.prefix ?? "" }, options)) {
        if (flags.json) {
          await this.output.json(recordJson(record));
        } else {
          await this.output.write(record.key);
          await this.output.write(flags.values ? `\t${printable(record.value, 200)}\n` : "\n");
        }
      }
      await transaction.detach();
      await this.output.flush();
    });
  }
}
