import { administer } from "../../src/console/administer.js";
import { ConnectedCommand } from "../../src/console/base-command.js";
import { memberArgument, parseMemberId } from "../../src/console/member.js";

export default class ClusterRemove extends ConnectedCommand {
  static override summary = "remove a member for good";
  static override description =
    "Its id is never used again. Refused when the majority of those that stay is not alive; a leader that removes itself hands over first. Stop the node afterwards. Exits 4 when it is refused.";
  static override examples = ["<%= config.bin %> <%= command.id %> n2"];
  static override args = { member: memberArgument };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(ClusterRemove);
    const id = parseMemberId(args.member);
    await this.withDatabase(flags, (database) =>
      administer(database, { kind: "remove", id }, flags.json, this.output),
    );
  }
}
