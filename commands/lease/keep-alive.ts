import { boolean } from "@oclif/core/flags";
import { ConnectedCommand } from "../../src/console/base-command.js";
import { keepLease } from "../../src/console/keep-lease.js";
import { leaseArgument, noSuchLease } from "../../src/console/lease-arguments.js";

export default class LeaseKeepAlive extends ConnectedCommand {
  static override summary = "keep a lease alive";
  static override description =
    "Until Ctrl-C, three times within its time to live, or --once. Exits 3 when it has ended. Being kept from it for one time to live, by a cluster without a leader say, ends it too (exit 5).";
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
      const kept = async (): Promise<void> => {
        if (flags.json) await this.output.json({ id: args.id, ttlMs: status.ttlMs });
        else await this.output.line(`alive for ${status.ttlMs} ms`);
        await this.output.flush();
      };
      const failed = (reason: string): void => {
        this.note(reason);
      };
      if (!flags.once) return keepLease(database, status, { kept, failed });
      await database.keepLease(args.id);
      await kept();
    });
  }
}
