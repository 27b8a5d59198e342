/** The commands around a transaction: MULTI, EXEC, DISCARD, WATCH, UNWATCH. */
import type { CommandSpec } from "./command.js";

const FLAGS = ["noscript", "loading", "stale"];
const FAST = [...FLAGS, "fast"];
const NO_KEYS = [0, 0, 0] as const;

/** Every row: name, arity, flags, keys, summary, planner. */
const ROWS: readonly (readonly [
  string,
  number,
  readonly string[],
  CommandSpec["keys"],
  string,
  CommandSpec["plan"],
])[] = [
  ["multi", 1, FAST, NO_KEYS, "Starts a transaction.", (_args, _context, own) => own.begin()],
  [
    "exec",
    1,
    [...FLAGS, "skip_slowlog"],
    NO_KEYS,
    "Executes all commands in a transaction.",
    (_args, _context, own) => own.execute(),
  ],
  ["discard", 1, FAST, NO_KEYS, "Discards a transaction.", (_args, _context, own) => own.discard()],
  [
    "watch",
    -2,
    FAST,
    [1, -1, 1],
    "Makes the next transaction depend on keys that stay unchanged.",
    (args, _context, own) => own.watch(args),
  ],
  [
    "unwatch",
    1,
    FAST,
    NO_KEYS,
    "Forgets about the watched keys.",
    (_args, _context, own) => own.unwatch(),
  ],
];

export const TRANSACTION_COMMANDS: readonly CommandSpec[] = ROWS.map(
  ([name, arity, flags, keys, summary, plan]) => ({
    name,
    arity,
    flags,
    keys,
    group: "transactions",
    summary,
    plan,
  }),
);
