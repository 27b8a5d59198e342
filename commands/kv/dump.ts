import { ConnectedCommand } from "../../src/console/base-command.js";
import { formatRecord } from "../../src/console/ndjson.js";

export default class KvDump extends ConnectedCommand {
  static override summary = "print every key and value as NDJSON";
  static override description =
    'A line a key, in key order: {"key","value"}; bytes that are not UTF-8 come as "keyBase64" or "valueBase64". `kv load` reads it back to the same bytes. Each page is linearizable, the whole is not one moment.';
  static override examples = [
    "<%= config.bin %> <%= command.id %> > all.ndjson",
    "<%= config.bin %> <%= command.id %> | gzip > all.ndjson.gz",
  ];

  async run(): Promise<void> {
    const { flags } = await this.parse(KvDump);
    await this.withDatabase(flags, async (database) => {
      for await (const { key, value } of database.list()) {
        await this.output.line(formatRecord(key, value));
      }
      await this.output.flush();
    });
  }
}
