import { administer } from "../../src/console/administer.js";
import { ConnectedCommand } from "../../src/console/base-command.js";
import { memberArgument, parseMemberId } from "../../src/console/member.js";

export default class ClusterPromote extends ConnectedCommand {
  static override summary = "make a learner a voter";
  static override description =
    "Waits up to --timeout until it has caught up: its last round of catching up must take less than an election timeout, and the majority it makes part of must be alive. Exits 4 when it is refused.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> n4",
    "<%= config.bin %> <%= command.id %> n4 --timeout 1m",
  ];
  static override args = { member: memberArgument };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(ClusterPromote);
    const id = parseMemberId(args.member);
    await this.withDatabase(flags, (database) =>
      administer(database, { kind: "promote", id }, flags.json, this.output),
    );
  }
}
