import process from "node:process";
import { string } from "@oclif/core/args";
import { ConnectedCommand } from "../../src/console/base-command.js";
import { expiryFlags, expiryOf } from "../../src/console/expiry-flags.js";
import { readAll } from "../../src/console/input.js";
import { checkKey, keyArgument } from "../../src/console/kv-arguments.js";
import { bytesField } from "../../src/console/text.js";
import {
  checkTransactionId,
  transactionArgument,
} from "../../src/console/transaction-arguments.js";

/** More than any value may have; the node knows the limit, this only bounds memory. Bytes. */
const STDIN_SIZE_MAX = 64 * 1024 * 1024;

export default class TxPut extends ConnectedCommand {
  static override summary = "set a key in a transaction";
  static override description =
    "Seen by the transaction alone until its commit. With `-` as VALUE, stdin's exact bytes are the value.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> $id greeting hello",
    "<%= config.bin %> <%= command.id %> $id photo - < photo.jpg",
  ];
  static override args = {
    id: transactionArgument,
    key: keyArgument,
    value: string({
      description: "the value, UTF-8; - for stdin",
      required: true,
      ignoreStdin: true,
    }),
  };
  static override flags = expiryFlags;

  async run(): Promise<void> {
    const { args, flags } = await this.parse(TxPut);
    const id = checkTransactionId(args.id);
    const key = checkKey(args.key);
    const expiry = expiryOf(flags);
    const value = args.value === "-" ? await readAll(process.stdin, STDIN_SIZE_MAX) : args.value;
    await this.withDatabase(flags, async (database) => {
      await (await database.transaction(id)).put(key, value, expiry);
    });
    if (flags.json) await this.output.json({ id, ...bytesField("key", Buffer.from(key)) });
  }
}
