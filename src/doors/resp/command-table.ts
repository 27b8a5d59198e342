/** Every command that is served, and the way from arguments to a plan. */
import type { CommandContext, CommandSpec, CommandTable, DecidePlan, Plan } from "./command.js";
import { quotable, refuse, reject, rejectArity } from "./command.js";
import { CONNECTION_COMMANDS } from "./connection-commands.js";
import { planDecide } from "./exec.js";
import { EXPIRY_COMMANDS } from "./expiry-commands.js";
import { KEY_COMMANDS } from "./key-commands.js";
import { latin1 } from "./reply.js";
import { SERVER_COMMANDS } from "./server-commands.js";
import { STRING_COMMANDS } from "./string-commands.js";
import { TRANSACTION_COMMANDS } from "./transaction-commands.js";
import type { TransactionQueue } from "./transaction-queue.js";

/** By name, lower case. */
export const COMMAND_TABLE: CommandTable = new Map(
  [
    ...STRING_COMMANDS,
    ...KEY_COMMANDS,
    ...EXPIRY_COMMANDS,
    ...TRANSACTION_COMMANDS,
    ...CONNECTION_COMMANDS,
    ...SERVER_COMMANDS,
  ].map((spec) => [spec.name, spec]),
);

/** As most clients write them; spares the change of case. */
const BY_COMMON_NAME: ReadonlyMap<string, CommandSpec> = new Map(
  [...COMMAND_TABLE].flatMap(([name, spec]) => [
    [name, spec],
    [name.toUpperCase(), spec],
  ]),
);

/**
 * What a web page can make a browser say to this port ("POST / HTTP/1.1", "Host: …"):
 * Redis closes such a connection without a word, before the body can hold commands.
 */
const BROWSER_WORDS = new Set(["post", "host:"]);

interface Planned {
  /** the command's name; empty when it is not served */
  readonly name: string;
  readonly plan: Plan;
}

/** What is never queued in a transaction; neither is what ends the connection. */
const RUN_AT_ONCE = new Set(["multi", "exec", "discard", "watch", "reset"]);

/** @param args the name and what follows it, at least the name */
export function planCommand(
  args: readonly Buffer[],
  context: CommandContext,
  queue: TransactionQueue,
): Planned {
  const text = latin1(args[0] ?? Buffer.alloc(0));
  const spec = BY_COMMON_NAME.get(text) ?? COMMAND_TABLE.get(text.toLowerCase());
  const name = spec?.name ?? "";
  const queued = queue.open && !RUN_AT_ONCE.has(name);
  // What is kept for long is copied, lest it keep alive the chunk it came in.
  const own = queued ? args.map((arg) => Buffer.from(arg)) : args;
  const plan = spec === undefined ? planUnknown(text, args) : planKnown(spec, own, context, queue);
  if (plan.kind === "local" && plan.rejected === true) queue.doom();
  if (plan.kind === "last") return { name, plan };
  if (queued && plan.kind !== "steps") {
    const refused = plan.kind === "local" && plan.rejected === true;
    return { name, plan: refused ? plan : queue.add(plan, own) };
  }
  return { name, plan: plan.kind === "decide" ? planDecide(plan, context) : plan };
}

function planKnown(
  spec: CommandSpec,
  args: readonly Buffer[],
  context: CommandContext,
  queue: TransactionQueue,
): Plan | DecidePlan {
  const fits = spec.arity > 0 ? args.length === spec.arity : args.length >= -spec.arity;
  if (fits) return spec.plan(args.slice(1), context, queue);
  if (spec.name !== "exec") return rejectArity(spec.name);
  // As Redis has it: a transaction ends with its EXEC, even with one that is wrong.
  queue.forget();
  return refuse(
    "EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command",
  );
}

function planUnknown(name: string, args: readonly Buffer[]): Plan {
  if (BROWSER_WORDS.has(name.toLowerCase())) return { kind: "last", run: () => undefined };
  return reject(unknownCommandText(name, args));
}

/** Redis' text, which clients match: the arguments are cut so that all of them together stay short. */
function unknownCommandText(name: string, args: readonly Buffer[]): string {
  let beginning = "";
  for (const arg of args.slice(1)) {
    const left = 128 - beginning.length;
    if (left <= 0) break;
    beginning += `'${quotable(latin1(arg.subarray(0, left)), left)}' `;
  }
  return `ERR unknown command '${quotable(name)}', with args beginning with: ${beginning}`;
}
