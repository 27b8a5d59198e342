import { ConnectedCommand } from "../../src/console/base-command.js";
import { leaseArgument, leaseJson, noSuchLease } from "../../src/console/lease-arguments.js";
import { printable } from "../../src/console/text.js";

export default class LeaseStatusCommand extends ConnectedCommand {
  static override summary = "what is left of a lease, and its keys";
  static override examples = ["<%= config.bin %> <%= command.id %> $id --json"];
  static override args = { id: leaseArgument };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(LeaseStatusCommand);
    const status = await this.withDatabase(flags, (database) => database.leaseStatus(args.id));
    if (status === undefined) throw noSuchLease(args.id);
    if (flags.json) {
      await this.output.json(leaseJson(status));
      return;
    }
    await this.output.line(`${status.remainingMs} of ${status.ttlMs} ms left`);
    for (const key of status.keys) await this.output.line(printable(key, 200));
  }
}
