import { string } from "@oclif/core/flags";
import { ConnectedCommand } from "../../src/console/base-command.js";
import { parseAge } from "../../src/console/duration.js";

export default class TxBegin extends ConnectedCommand {
  static override summary = "begin a transaction that the cluster holds";
  static override description =
    "Prints its id, for the other commands, on any node: it survives the death of the leader. All its reads are of this moment; what it writes is seen by nobody else before `tx commit`.";
  static override examples = [
    "id=$(<%= config.bin %> <%= command.id %>)",
    "<%= config.bin %> <%= command.id %> --idle 10m --json",
  ];
  static override flags = {
    isolation: string({
      description: "what must not change before the commit: what it read, or what it writes",
      options: ["serializable", "snapshot"],
      default: "serializable",
    }),
    idle: string({
      description: "ends by itself when nothing is done with it for so long",
      default: "60s",
      helpValue: "60s",
    }),
  };

  async run(): Promise<void> {
    const { flags } = await this.parse(TxBegin);
    const idleMs = parseAge(flags.idle, "--idle");
    const isolation = flags.isolation === "snapshot" ? "snapshot" : "serializable";
    const { id, readRevision } = await this.withDatabase(flags, (database) =>
      database.begin({ isolation, idleMs }),
    );
    if (flags.json) await this.output.json({ id, readRevision });
    else await this.output.line(id);
  }
}
