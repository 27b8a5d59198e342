import { string } from "@oclif/core/args";
import { boolean, integer } from "@oclif/core/flags";
import { ConnectedCommand } from "../../src/console/base-command.js";
import { atFlag, revisionFlag, timeOf } from "../../src/console/range-arguments.js";
import { recordJson } from "../../src/console/records.js";
import { printable } from "../../src/console/text.js";

export default class KvList extends ConnectedCommand {
  static override summary = "list keys in byte order";
  static override description =
    "One key a line; with --values its value behind a tab; with --json one object a line, which is also the form for keys that hold newlines.";
  static override examples = [
    "<%= config.bin %> <%= command.id %>",
    "<%= config.bin %> <%= command.id %> user: --values",
    "<%= config.bin %> <%= command.id %> user: --json --limit 10",
  ];
  static override args = {
    prefix: string({
      description: "only keys that begin with this",
      required: false,
      ignoreStdin: true,
    }),
  };
  static override flags = {
    values: boolean({ description: "print the values too, made printable" }),
    revision: revisionFlag,
    at: atFlag,
    limit: integer({ description: "stop after N keys", min: 1, helpValue: "N" }),
  };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(KvList);
    const range = args.prefix === undefined ? {} : { prefix: args.prefix };
    const time = flags.at === undefined ? undefined : timeOf(flags.at, "--at");
    await this.withDatabase(flags, async (database) => {
      const revision = time === undefined ? flags.revision : await database.revisionAt(time);
      const options = {
        ...(flags.limit !== undefined && { limit: flags.limit }),
        ...(revision !== undefined && { revision }),
      };
      for await (const record of database.list(range, options)) {
        if (flags.json) {
          await this.output.json(recordJson(record));
        } else {
          await this.output.write(record.key);
          await this.output.write(flags.values ? `\t${printable(record.value, 200)}\n` : "\n");
        }
      }
      await this.output.flush();
    });
  }
}
