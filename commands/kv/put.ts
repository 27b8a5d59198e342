import process from "node:process";
import { string } from "@oclif/core/args";
import { boolean, integer } from "@oclif/core/flags";
import { ConnectedCommand } from "../../src/console/base-command.js";
import { appliedRevision } from "../../src/console/condition.js";
import { expiryFlags, expiryOf } from "../../src/console/expiry-flags.js";
import { readAll } from "../../src/console/input.js";
import { checkKey, keyArgument } from "../../src/console/kv-arguments.js";
import { bytesField } from "../../src/console/text.js";

/** More than any value may have; the node knows the limit, this only bounds memory. Bytes. */
const STDIN_SIZE_MAX = 64 * 1024 * 1024;

export default class KvPut extends ConnectedCommand {
  static override summary = "set a key";
  static override description =
    "Prints the revision of the change. With `-` as VALUE, stdin's exact bytes are the value.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> greeting hello",
    "<%= config.bin %> <%= command.id %> photo - < photo.jpg",
    "<%= config.bin %> <%= command.id %> lock me --if-absent --ttl 30s",
    "<%= config.bin %> <%= command.id %> config '{\"debug\":true}' --if-revision 17",
    "<%= config.bin %> <%= command.id %> -- -key -value",
  ];
  static override args = {
    key: keyArgument,
    value: string({
      description: "the value, UTF-8; - for stdin",
      required: true,
      ignoreStdin: true,
    }),
  };
  static override flags = {
    "if-absent": boolean({
      description: "only if there is no such key; otherwise exit 4",
      exclusive: ["if-present", "if-revision"],
    }),
    "if-present": boolean({ description: "only if the key is there; otherwise exit 4" }),
    "if-revision": integer({
      description:
        "only if the key was last changed at this revision (0: absent); otherwise exit 4",
      min: 0,
      helpValue: "N",
      exclusive: ["if-present"],
    }),
    ...expiryFlags,
  };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(KvPut);
    const key = checkKey(args.key);
    const value = args.value === "-" ? await readAll(process.stdin, STDIN_SIZE_MAX) : args.value;
    const expiry = expiryOf(flags);
    const wanted = flags["if-revision"];
    const revision = await this.withDatabase(flags, async (database) => {
      if (wanted !== undefined)
        return appliedRevision(await database.putIf(key, value, wanted, expiry), key, wanted);
      const only = flags["if-absent"]
        ? "if-absent"
        : flags["if-present"]
          ? "if-present"
          : undefined;
      return (await database.put(key, value, { ...expiry, ...(only && { only }) })).revision;
    });
    if (flags.json) await this.output.json({ ...bytesField("key", Buffer.from(key)), revision });
    else await this.output.line(`revision ${revision}`);
  }
}
