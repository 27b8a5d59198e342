import path from "node:path";
import { statSync } from "node:fs";
import { string as argument } from "@oclif/core/args";
import { integer, string } from "@oclif/core/flags";
import { BaseCommand } from "../../src/console/base-command.js";
import { usageError } from "../../src/console/failure.js";
import { checkId, parseCluster } from "../../src/console/node-flags.js";
import { startProgress } from "../../src/console/progress.js";

export default class SnapshotRestore extends BaseCommand {
  static override summary = "make a node's data directory of a backup, for a new cluster";
  static override description =
    "Run it once for each member, with the same FILE, --cluster, --bump-revision and --name, then start the nodes with the same --cluster. It is a new cluster, with an id of its own: members of the old one are refused. The store's revision is raised beyond everything that was told to anybody after the backup, and history before it is compacted: nobody who remembers a revision can be misled. Transactions that were open are gone; sessions and leases go on.";
  static override examples = [
    {
      description: "Three nodes of one backup",
      // One line: help wraps it as a shell reads it.
      command:
        "for id in n1 n2 n3; do <%= config.bin %> <%= command.id %> backup.avro --data data/$id --id $id --cluster n1=10.0.0.1:13141,n2=10.0.0.2:13141,n3=10.0.0.3:13141; done",
    },
  ];
  static override args = {
    file: argument({
      description: "a snapshot: saved, or of a data directory",
      required: true,
      ignoreStdin: true,
    }),
  };
  static override flags = {
    data: string({
      description: "the data directory to be made; absent, or empty [default: data/<id>]",
      helpValue: "DIR",
    }),
    id: string({ description: "this node's name in --cluster", required: true, helpValue: "ID" }),
    cluster: string({
      description: "every voter of the new cluster and its peer address, this node included",
      required: true,
      multiple: true,
      multipleNonGreedy: true,
      helpValue: "ID=H:P,",
    }),
    "bump-revision": integer({
      description: "raise the store's revision by so much [default: 1000000000]",
      min: 1,
      helpValue: "N",
    }),
    name: string({
      description:
        "tells this restore apart from others of the same FILE for the same --cluster: any text, the same for each member",
      default: "",
      helpValue: "TEXT",
    }),
  };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(SnapshotRestore);
    checkId(flags.id, "--id");
    const cluster = parseCluster(flags.cluster);
    if (!cluster.has(flags.id)) {
      throw usageError(
        `--id ${flags.id} is not a member of --cluster (${[...cluster.keys()].join(", ")})`,
        "name every voter, this node included",
      );
    }
    if (statSync(args.file, { throwIfNoEntry: false })?.isFile() !== true) {
      throw usageError(
        `${args.file} is no file`,
        "balsa snapshot inspect DIR, to see which there are",
      );
    }
    const dataDirectory = flags.data ?? path.join("data", flags.id);
    const { restoreDirectory, REVISION_BUMP_DEFAULT } =
      await import("../../src/node/restored-directory.js");
    const progress = await startProgress("restoring", 1);
    try {
      const { clusterId, revision, source } = await restoreDirectory({
        file: args.file,
        dataDirectory,
        id: flags.id,
        cluster: new Map([...cluster].map(([id, { text }]) => [id, text])),
        revisionBump: flags["bump-revision"] ?? REVISION_BUMP_DEFAULT,
        name: flags.name,
        onProgress: (done, all) => {
          progress.update(done / Math.max(1, all), "");
        },
      });
      progress.stop();
      if (flags.json) {
        const { keyCount: keys, head } = source;
        const { index, term } = head;
        const from = { clusterId: head.clusterId, revision: head.revision };
        await this.output.json({
          ...{
            directory: dataDirectory,
            id: flags.id,
            clusterId,
            revision,
            index,
            term,
            keys,
            from,
          },
        });
        return;
      }
      await this.output.line(
        `${dataDirectory}: node ${flags.id} of cluster ${clusterId}, ${source.keyCount} keys at revision ${revision}`,
      );
      this.note(
        `when each member has its directory: balsa node start --id ${flags.id} --cluster ${flags.cluster.join(",")} --data ${dataDirectory} --client HOST:PORT`,
      );
    } finally {
      progress.stop();
    }
  }
}
