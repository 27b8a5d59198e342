import { ConnectedCommand } from "../../src/console/base-command.js";
import { withReasons } from "../../src/console/status-reasons.js";
import { statusLines } from "../../src/console/status-table.js";

export default class ClusterStatusCommand extends ConnectedCommand {
  static override summary = "one row a node: role, term, how far its log is";
  static override description =
    "As the leader sees it, whichever node is asked; without a leader, as that node sees it. Exits 5 when no node can be reached.";
  static override examples = [
    "<%= config.bin %> <%= command.id %>",
    "<%= config.bin %> <%= command.id %> --json",
    "<%= config.bin %> <%= command.id %> --endpoints 10.0.0.1:14141,10.0.0.2:14141",
  ];

  async run(): Promise<void> {
    const { flags } = await this.parse(ClusterStatusCommand);
    const status = await withReasons(
      await this.withDatabase(flags, (database) => database.status()),
    );
    if (flags.json) await this.output.json(status);
    else for (const line of statusLines(status)) await this.output.line(line);
    if (status.leader === null)
      this.note("there is no leader: writes and reads are refused until a majority is up");
  }
}
