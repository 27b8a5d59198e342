import { ConnectedCommand } from "../../src/console/base-command.js";
import { CommandError, EXIT } from "../../src/console/failure.js";
import { checkKey, keyArgument } from "../../src/console/kv-arguments.js";
import { bytesField } from "../../src/console/text.js";

export default class KvTtl extends ConnectedCommand {
  static override summary = "how long a key still lives";
  static override description =
    "In milliseconds; `forever` for a key that ends only when it is deleted. A missing key exits 3.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> lock",
    "<%= config.bin %> <%= command.id %> lock --json",
  ];
  static override args = { key: keyArgument };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(KvTtl);
    const key = checkKey(args.key);
    const { remainingMs, isThere } = await this.withDatabase(flags, async (database) => {
      const remaining = await database.timeToLive(key);
      const there = remaining !== undefined || (await database.get(key)) !== undefined;
      return { remainingMs: remaining ?? null, isThere: there };
    });
    if (!isThere) {
      throw new CommandError("NOT_FOUND", EXIT.notFound, `there is no key "${key}"`, {
        tryThis: "balsa kv list, for the keys there are",
      });
    }
    if (flags.json) await this.output.json({ ...bytesField("key", Buffer.from(key)), remainingMs });
    else await this.output.line(remainingMs === null ? "forever" : String(remainingMs));
  }
}
