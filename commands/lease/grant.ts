import { string } from "@oclif/core/flags";
import { ConnectedCommand } from "../../src/console/base-command.js";
import { parseAge } from "../../src/console/duration.js";

export default class LeaseGrant extends ConnectedCommand {
  static override summary = "grant a lease: keys that end together, by themselves";
  static override description =
    "Prints its id. Keys are attached by `kv put --lease ID`. It ends after --ttl unless it is kept alive.";
  static override examples = [
    "id=$(<%= config.bin %> <%= command.id %> --ttl 30s)",
    "<%= config.bin %> <%= command.id %> --ttl 5m --json",
  ];
  static override flags = {
    ttl: string({ description: "ends after this time", required: true, helpValue: "30s" }),
  };

  async run(): Promise<void> {
    const { flags } = await this.parse(LeaseGrant);
    const ttlMs = parseAge(flags.ttl, "--ttl");
    const { id } = await this.withDatabase(flags, (database) =>
      database.lease({ ttlMs, keepAlive: false }),
    );
    if (flags.json) await this.output.json({ id, ttlMs });
    else await this.output.line(String(id));
  }
}
