import { ConnectedCommand } from "../../src/console/base-command.js";
import { textTable } from "../../src/console/text.js";
import { transactionJson } from "../../src/console/transaction-arguments.js";

export default class TxList extends ConnectedCommand {
  static override summary = "the open transactions, oldest first";
  static override examples = [
    "<%= config.bin %> <%= command.id %>",
    "<%= config.bin %> <%= command.id %> --json",
  ];

  async run(): Promise<void> {
    const { flags } = await this.parse(TxList);
    const open = await this.withDatabase(flags, (database) => database.transactions());
    if (flags.json) {
      for (const info of open) await this.output.json(transactionJson(info));
    } else if (open.length === 0) {
      this.note("no transaction is open");
    } else {
      const rows = open.map(({ id, isolation, readRevision }) => [
        id,
        isolation,
        String(readRevision),
      ]);
      const lines = textTable(["ID", "ISOLATION", "READS"], rows, new Set(["READS"]));
      for (const line of lines) await this.output.line(line);
    }
  }
}
