import { string } from "@oclif/core/args";
import { administer, howToStart } from "../../src/console/administer.js";
import { ConnectedCommand } from "../../src/console/base-command.js";
import { parseMember } from "../../src/console/member.js";

export default class ClusterAdd extends ConnectedCommand {
  static override summary = "add a member, as a learner";
  static override description =
    "It receives everything and is not counted, until `cluster promote` makes it a voter. An id that was removed is never used again. Exits 4 when the change is refused.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> n4=10.0.0.4:13141",
    {
      description: "Then start it, as the command prints it, and make it a voter",
      command: "<%= config.bin %> cluster promote n4",
    },
  ];
  static override args = {
    member: string({
      description: "its name, and where the other nodes reach it: ID=HOST:PORT",
      required: true,
      ignoreStdin: true,
    }),
  };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(ClusterAdd);
    const { id, address } = parseMember(args.member);
    await this.withDatabase(flags, async (database) => {
      await administer(database, { kind: "add", id, address }, flags.json, this.output);
      if (flags.json) return;
      this.note(`start it with: ${await howToStart(database, id, address)}`);
    });
  }
}
