import path from "node:path";
import process from "node:process";
import { integer, string } from "@oclif/core/flags";
import { askStatus } from "../src/console/ask-status.js";
import { BaseCommand } from "../src/console/base-command.js";
import { planDevCluster } from "../src/console/dev-cluster.js";
import { runDevSession, type DevUp } from "../src/console/dev-session.js";
import { parseDuration } from "../src/console/duration.js";

export default class Dev extends BaseCommand {
  static override summary = "a cluster of real node processes on this machine";
  static override description =
    "Starts the nodes, prints their endpoints when they have a leader, and runs until Ctrl-C. The data stays in --dir.";
  static override examples = [
    "<%= config.bin %> <%= command.id %>",
    "<%= config.bin %> <%= command.id %> --nodes 5 --dir data/five --base-port 23141",
    "<%= config.bin %> <%= command.id %> --exec 'npm test'",
  ];
  static override flags = {
    nodes: integer({ description: "how many nodes", default: 3, helpValue: "N" }),
    dir: string({
      description: "where the nodes keep their data",
      default: path.join("data", "dev"),
      helpValue: "DIR",
    }),
    "base-port": integer({
      description:
        "port of the first node for nodes; for clients it is 1000 higher; the next node's are 1 higher",
      default: 13141,
      helpValue: "PORT",
    }),
    exec: string({
      description: "run CMD in a shell with BALSA_ENDPOINTS set, then stop with its exit code",
      helpValue: "CMD",
    }),
    timeout: string({
      description: "how long the first election may take",
      default: "20s",
      helpValue: "20s",
    }),
  };

  async run(): Promise<void> {
    const { flags } = await this.parse(Dev);
    const leaderTimeoutMs = parseDuration(flags.timeout, "--timeout");
    const nodes = planDevCluster({
      nodes: flags.nodes,
      basePort: flags["base-port"],
      directory: flags.dir,
    });
    process.exitCode = await runDevSession({
      nodes,
      executable: [process.execPath, ownPath()],
      exec: flags.exec,
      leaderTimeoutMs,
      note: (line) => {
        this.note(line);
      },
      onLeader: (up) => this.#announce(up, flags.json, flags.exec !== undefined),
      askStatus,
    });
  }

  /** Results on stdout, unless stdout belongs to the command that --exec runs. */
  async #announce(up: DevUp, json: boolean, quiet: boolean): Promise<void> {
    if (quiet) {
      this.note(`${up.nodes.length} nodes, leader ${up.leader}, BALSA_ENDPOINTS=${up.endpoints}`);
      return;
    }
    if (json) {
      await this.output.json({
        endpoints: up.endpoints.split(","),
        leader: up.leader,
        nodes: up.nodes.map(({ id, peer, client, directory, pid }) => ({
          id,
          peer,
          client,
          directory,
          pid,
        })),
      });
    } else {
      for (const line of announcement(up)) await this.output.line(line);
    }
    await this.output.flush();
  }
}

function announcement(up: DevUp): readonly string[] {
  const leader = up.nodes.find(({ id }) => id === up.leader);
  const port = up.endpoints.slice(up.endpoints.lastIndexOf(":") + 1);
  return [
    "",
    ...up.nodes.map(
      ({ id, client, peer, directory, pid }) =>
        `  ${id}  clients ${client}  nodes ${peer}  ${directory}  pid ${pid ?? "-"}${id === up.leader ? "  leader" : ""}`,
    ),
    "",
    "In another terminal:",
    `  export BALSA_ENDPOINTS=${up.endpoints}`,
    "  npx balsa cluster status",
    "  npx balsa kv put hello world",
    "  npx balsa kv get hello",
    `  redis-cli -p ${port} get hello`,
    `  kill -9 ${leader?.pid ?? "PID"}    # the leader; another takes over, nothing acknowledged is lost`,
    "",
    "Ctrl-C stops the cluster.",
  ];
}

/** This executable, as short as it can be typed here. */
function ownPath(): string {
  const absolute = path.resolve(process.argv[1] ?? "bin/balsa.js");
  const relative = path.relative("", absolute);
  return relative.startsWith("..") ? absolute : relative;
}
