import { ConnectedCommand } from "../../src/console/base-command.js";

export default class LeaseList extends ConnectedCommand {
  static override summary = "the leases that were granted and have not ended";
  static override examples = [
    "<%= config.bin %> <%= command.id %>",
    "<%= config.bin %> <%= command.id %> --json",
  ];

  async run(): Promise<void> {
    const { flags } = await this.parse(LeaseList);
    const leases = await this.withDatabase(flags, (database) => database.leases());
    for (const id of leases) {
      if (flags.json) await this.output.json({ id });
      else await this.output.line(String(id));
    }
    if (leases.length === 0 && !flags.json) this.note("there is no lease");
  }
}
