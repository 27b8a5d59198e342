import process from "node:process";
import { boolean, integer, string } from "@oclif/core/flags";
import { BaseCommand } from "../../src/console/base-command.js";
import { nodeStartOf } from "../../src/console/node-flags.js";
import { runNode } from "../../src/console/node-session.js";
import { roomyOldGeneration } from "../../src/console/old-generation.js";
import { boundYoungGeneration, holdYoungGeneration } from "../../src/console/young-generation.js";

export default class NodeStart extends BaseCommand {
  static override summary = "run one node in the foreground";
  static override description =
    "Prints `ready` on a line of its own when it serves clients; everything else goes to stderr. SIGTERM and SIGINT stop it cleanly.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> --id n1 --cluster n1=127.0.0.1:13141",
    {
      description:
        "The second of three nodes; --cluster is the same, letter for letter, on all of them",
      command:
        "<%= config.bin %> <%= command.id %> --id n2 --peer 10.0.0.2:13141 --client 10.0.0.2:14141 --cluster n1=10.0.0.1:13141,n2=10.0.0.2:13141,n3=10.0.0.3:13141 --data /var/lib/balsa",
    },
  ];
  static override flags = {
    id: string({ description: "this node's name in --cluster", required: true, helpValue: "ID" }),
    peer: string({
      description: "listens here for the other nodes [default: this node's address in --cluster]",
      helpValue: "H:P",
    }),
    client: string({
      description: "listens here for users: every client protocol",
      default: "127.0.0.1:14141",
      helpValue: "H:P",
    }),
    cluster: string({
      description: "every voter and its peer address, this node included",
      required: true,
      multiple: true,
      multipleNonGreedy: true,
      helpValue: "ID=H:P,",
    }),
    join: string({
      description:
        "joins a cluster that exists, after `cluster add`: its id; --cluster then names some of its members, and this node",
      helpValue: "CLUSTER-ID",
    }),
    "lease-reads": boolean({
      description:
        "a leader answers reads alone while a majority's word is fresh; on all nodes or on none",
    }),
    "snapshot-entries": integer({
      description: "takes a snapshot and compacts the log after so many commands [default: 500000]",
      helpValue: "N",
    }),
    "snapshot-bytes": string({
      description: "likewise after so many bytes of log [default: 128MiB]",
      helpValue: "128MiB",
    }),
    retain: string({
      description:
        "keeps log segments that snapshots made needless as an archive: all, none, a size or an age [default: none]",
      helpValue: "all|SIZE|DURATION",
    }),
    "history-changes": integer({
      description: "keeps so many changes for history, time travel and watches [default: 100000]",
      helpValue: "N",
    }),
    "history-bytes": string({
      description: "likewise, but no more than so many bytes [default: 64MiB]",
      helpValue: "64MiB",
    }),
    "history-age": string({
      description: "likewise, but none older than this [default: any age]",
      helpValue: "30d",
    }),
    data: string({ description: "data directory [default: data/<id>]", helpValue: "DIR" }),
    "election-timeout": string({
      description:
        "without a leader for one to two times this long, a node calls an election [default: 150ms]",
      helpValue: "150ms",
    }),
    heartbeat: string({
      description:
        "how often a leader makes itself known; at most a third of --election-timeout [default: 50ms]",
      helpValue: "50ms",
    }),
  };

  async run(): Promise<void> {
    const { flags } = await this.parse(NodeStart);
    const start = nodeStartOf({
      id: flags.id,
      peer: flags.peer,
      client: flags.client,
      cluster: flags.cluster,
      data: flags.data,
      "election-timeout": flags["election-timeout"],
      heartbeat: flags.heartbeat,
      join: flags.join,
      "lease-reads": flags["lease-reads"],
      "snapshot-entries": flags["snapshot-entries"],
      "snapshot-bytes": flags["snapshot-bytes"],
      retain: flags.retain,
      "history-changes": flags["history-changes"],
      "history-bytes": flags["history-bytes"],
      "history-age": flags["history-age"],
    });
    holdYoungGeneration();
    // Not all of the library: a node that starts anew is waited for.
    const { startNode } = await import("../../src/server.js");
    await runNode(start, startNode, {
      note: (line) => {
        this.note(line);
      },
      onReady: () => {
        boundYoungGeneration();
        roomyOldGeneration();
        process.stdout.write("ready\n");
      },
    });
  }
}
