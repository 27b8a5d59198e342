import { ConnectedCommand } from "../../src/console/base-command.js";
import { leaseArgument } from "../../src/console/lease-arguments.js";

export default class LeaseRevoke extends ConnectedCommand {
  static override summary = "end a lease now, and its keys with it";
  static override examples = ["<%= config.bin %> <%= command.id %> $id"];
  static override args = { id: leaseArgument };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(LeaseRevoke);
    await this.withDatabase(flags, (database) => database.revokeLease(args.id));
    if (flags.json) await this.output.json({ id: args.id, revoked: true });
    else await this.output.line("revoked");
  }
}
