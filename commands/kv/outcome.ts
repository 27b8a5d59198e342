import { string } from "@oclif/core/args";
import { ConnectedCommand } from "../../src/console/base-command.js";
import { usageError } from "../../src/console/failure.js";

export default class KvOutcome extends ConnectedCommand {
  static override summary = "what became of a write that nobody answered";
  static override description =
    "By the request id that a failure with exit code 6 prints: applied, rejected, or unknown: not applied as far as anybody remembers, though it may still be on its way.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> 0123456789abcdef0123456789abcdef",
  ];
  static override args = {
    request: string({ description: "32 hex digits", required: true, ignoreStdin: true }),
  };

  async run(): Promise<void> {
    const { args, flags } = await this.parse(KvOutcome);
    if (!/^[0-9a-f]{32}$/i.test(args.request)) {
      throw usageError(
        `"${args.request}" is no request id: it has 32 hex digits`,
        "the id behind `Request:` in the failure",
      );
    }
    const outcome = await this.withDatabase(flags, (database) => database.outcome(args.request));
    if (flags.json) {
      const { kind, ...rest } = outcome;
      await this.output.json({ requestId: args.request, outcome: kind, ...rest });
    } else if (outcome.kind === "applied") {
      await this.output.line(`applied, revision ${outcome.revision}`);
    } else {
      await this.output.line(outcome.kind);
    }
  }
}
