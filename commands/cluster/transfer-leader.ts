import { string } from "@oclif/core/args";
import { administer } from "../../src/console/administer.js";
import { ConnectedCommand } from "../../src/console/base-command.js";
import { parseMemberId } from "../../src/console/member.js";

export default class ClusterTransferLeader extends ConnectedCommand {
  static override summary = "hand leadership to another voter";
  static override description =
    "Writes wait meanwhile and none fails; when it comes to nothing within an election timeout, the leader leads on. Without an id it goes to the voter that is nearest to the leader's log. Exits 4 when it is refused.";
  static override examples = [
    "<%= config.bin %> <%= command.id %>",
    "<%= config.bin %> <%= command.id %> n2",
  ];
  static override args = {
    member: string({
      description: "who is to lead [default: whoever is nearest]",
      ignoreStdin: true,
    }),
  };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(ClusterTransferLeader);
    const id = args.member === undefined ? undefined : parseMemberId(args.member);
    await this.withDatabase(flags, async (database) => {
      await administer(database, { kind: "transfer", id }, flags.json, this.output);
    });
  }
}
