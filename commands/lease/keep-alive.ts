import { boolean } from "@oclif/core/flags";
import { ConnectedCommand } from "../../src/console/base-command.js";
import { leaseArgument, noSuchLease } from "../../src/console/lease-arguments.js";

export default class LeaseKeepAlive extends ConnectedCommand {
  static override summary = "keep a lease alive";
  static override description =
    "Until Ctrl-C, three times within its time to live, or --once. Exits 3 when it has ended.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> $id &",
    "<%= config.bin %> <%= command.id %> $id --once",
  ];
  static override args = { id: leaseArgument };
  static override flags = { once: boolean({ description: "once, and not again" }) };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(LeaseKeepAlive);
    await this.withDatabase(flags, async (database) => {
      const status = await database.leaseStatus(args.id);
      if (status === undefined) throw noSuchLease(args.id);
      for (;;) {
        await database.keepLease(args.id);
        if (flags.json) await this.output.json({ id: args.id, ttlMs: status.ttlMs });
        else await this.output.line(`alive for ${status.ttlMs} ms`);
        await this.output.flush();
        if (flags.once) return;
        await new Promise((resolve) => setTimeout(resolve, status.ttlMs / 3));
      }
    });
  }
}
