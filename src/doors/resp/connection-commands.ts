/** The commands on the connection itself: greetings, names, farewells. */
import { parseInteger } from "../../store/integer.js";
import {
  local,
  NOT_AN_INTEGER,
  ok,
  refuse,
  refuseCount,
  refuseSyntax,
  rejectArity,
  rejectSubcommand,
} from "./command.js";
import type { CommandContext, CommandSpec, Plan, Transactions } from "./command.js";
import { latin1 } from "./reply.js";
import type { ReplyWriter } from "./reply.js";
import { SERVER_NAME, REDIS_VERSION } from "./server-commands.js";
import { isClientName } from "./session.js";
import type { Session } from "./session.js";

const EMPTY = Buffer.alloc(0);
const WRONG_PASSWORD = "WRONGPASS invalid username-password pair or user is disabled.";
const WRONG_NAME = "ERR Client names cannot contain spaces, newlines or special characters.";

function ping(args: readonly Buffer[]): Plan {
  const [message] = args;
  if (args.length > 1) return refuseCount("ping");
  return local((reply) => {
    if (message === undefined) reply.simple("PONG");
    else reply.bulk(message);
  });
}

function echo(args: readonly Buffer[]): Plan {
  const [message = EMPTY] = args;
  return local((reply) => {
    reply.bulk(message);
  });
}

function quit(): Plan {
  return {
    kind: "last",
    run: (reply) => {
      reply.simple("OK");
    },
  };
}

function reset(_args: readonly Buffer[], _context: CommandContext, own: Transactions): Plan {
  own.forget();
  return local((reply, session) => {
    session.name = "";
    reply.protocol = 2;
    reply.simple("RESET");
  });
}

function select(args: readonly Buffer[]): Plan {
  const index = parseInteger(args[0] ?? EMPTY);
  if (index === undefined || index !== BigInt.asIntN(32, index)) return refuse(NOT_AN_INTEGER);
  return index === 0n ? ok() : refuse("ERR DB index is out of range");
}

/** Only the default user exists, and it needs no password: any will do, as in Redis. */
function auth(args: readonly Buffer[]): Plan {
  if (args.length > 2) return refuseSyntax();
  if (args.length === 1) {
    return refuse(
      "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?",
    );
  }
  return latin1(args[0] ?? EMPTY) === "default" ? ok() : refuse(WRONG_PASSWORD);
}

function hello(args: readonly Buffer[], context: CommandContext): Plan {
  const [versionArg, ...options] = args;
  const version = versionArg === undefined ? undefined : parseInteger(versionArg);
  if (versionArg !== undefined && version === undefined) {
    return refuse("ERR Protocol version is not an integer or out of range");
  }
  if (version !== undefined && version !== 2n && version !== 3n) {
    return refuse("NOPROTO unsupported protocol version");
  }
  let name: string | undefined;
  for (let i = 0; i < options.length; i++) {
    const option = latin1(options[i] ?? EMPTY);
    const left = options.length - i - 1;
    if (option.toUpperCase() === "AUTH" && left >= 2) {
      if (latin1(options[i + 1] ?? EMPTY) !== "default") return refuse(WRONG_PASSWORD);
      i += 2;
    } else if (option.toUpperCase() === "SETNAME" && left >= 1) {
      name = latin1(options[i + 1] ?? EMPTY);
      if (!isClientName(name)) return refuse(WRONG_NAME);
      i += 1;
    } else {
      return refuse(`ERR Syntax error in HELLO option '${option}'`);
    }
  }
  return local((reply, session) => {
    if (version !== undefined) reply.protocol = version === 3n ? 3 : 2;
    if (name !== undefined) session.name = name;
    replyHello(reply, session, context);
  });
}

function replyHello(reply: ReplyWriter, session: Session, { service }: CommandContext): void {
  reply.map(7);
  reply.bulkText("server");
  reply.bulkText(SERVER_NAME);
  reply.bulkText("version");
  reply.bulkText(REDIS_VERSION);
  reply.bulkText("proto");
  reply.integer(reply.protocol);
  reply.bulkText("id");
  reply.integer(session.id);
  reply.bulkText("mode");
  reply.bulkText("standalone");
  reply.bulkText("role");
  // Every node takes writes: it hands them to the leader.
  reply.bulkText(service.info().role === "learner" ? "replica" : "master");
  reply.bulkText("modules");
  reply.array(0);
}

const CLIENT_HELP = [
  "CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
  "GETNAME",
  "    Return the name of the current connection.",
  "ID",
  "    Return the ID of the current connection.",
  "INFO",
  "    Return information about the current client connection.",
  "LIST",
  "    Return information about client connections of this node.",
  "NO-EVICT (ON|OFF)",
  "    Accepted; no client is ever evicted.",
  "NO-TOUCH (ON|OFF)",
  "    Accepted; reading a key never changes it.",
  "SETINFO <LIB-NAME|LIB-VER> <value>",
  "    Tell the name and version of the client's library.",
  "SETNAME <name>",
  "    Assign the name <name> to the current connection.",
  "HELP",
  "    Print this help.",
];

interface Subcommand {
  /** behind the subcommand's name */
  readonly argCount: number;
  readonly plan: (args: readonly Buffer[], context: CommandContext) => Plan;
}

const CLIENT_SUBCOMMANDS: ReadonlyMap<string, Subcommand> = new Map<string, Subcommand>([
  [
    "id",
    {
      argCount: 0,
      plan: () =>
        local((reply, session) => {
          reply.integer(session.id);
        }),
    },
  ],
  [
    "getname",
    {
      argCount: 0,
      plan: () =>
        local((reply, session) => {
          if (session.name === "") reply.null();
          else reply.bulk(Buffer.from(session.name, "latin1"));
        }),
    },
  ],
  ["setname", { argCount: 1, plan: clientSetName }],
  ["setinfo", { argCount: 2, plan: clientSetInfo }],
  ["no-evict", { argCount: 1, plan: clientSwitch }],
  ["no-touch", { argCount: 1, plan: clientSwitch }],
  [
    "info",
    {
      argCount: 0,
      plan: () =>
        local((reply, session) => {
          reply.verbatim(`${describeSession(session, reply)}\n`);
        }),
    },
  ],
  [
    "list",
    {
      argCount: 0,
      plan: (_args, context) =>
        local((reply) => {
          const lines = [...context.sessions()].map((each) => describeSession(each, undefined));
          reply.verbatim(lines.map((line) => `${line}\n`).join(""));
        }),
    },
  ],
  ["help", { argCount: 0, plan: () => help(CLIENT_HELP) }],
]);

function help(lines: readonly string[]): Plan {
  return local((reply) => {
    reply.array(lines.length);
    for (const line of lines) reply.simple(line);
  });
}

function client(args: readonly Buffer[], context: CommandContext): Plan {
  const [subcommandArg = EMPTY, ...rest] = args;
  const text = latin1(subcommandArg);
  const subcommand = CLIENT_SUBCOMMANDS.get(text.toLowerCase());
  if (subcommand === undefined) {
    return rejectSubcommand("CLIENT", text);
  }
  if (rest.length !== subcommand.argCount) return rejectArity(`client|${text.toLowerCase()}`);
  return subcommand.plan(rest, context);
}

function clientSetName(args: readonly Buffer[]): Plan {
  const name = latin1(args[0] ?? EMPTY);
  if (!isClientName(name)) return refuse(WRONG_NAME);
  return local((reply, session) => {
    session.name = name;
    reply.simple("OK");
  });
}

function clientSetInfo(args: readonly Buffer[]): Plan {
  const option = latin1(args[0] ?? EMPTY);
  const value = latin1(args[1] ?? EMPTY);
  const known = ["LIB-NAME", "LIB-VER"].includes(option.toUpperCase());
  if (!known) return refuse(`ERR Unrecognized option '${option}'`);
  if (!isClientName(value)) {
    return refuse(
      `ERR ${option.toLowerCase()} cannot contain spaces, newlines or special characters.`,
    );
  }
  return local((reply, session) => {
    if (option.toUpperCase() === "LIB-NAME") session.libraryName = value;
    else session.libraryVersion = value;
    reply.simple("OK");
  });
}

function clientSwitch(args: readonly Buffer[]): Plan {
  const known = ["ON", "OFF"].includes(latin1(args[0] ?? EMPTY).toUpperCase());
  return known ? ok() : refuseSyntax();
}

function describeSession(session: Session, reply: ReplyWriter | undefined): string {
  const fields: readonly (readonly [string, string | number])[] = [
    ["id", session.id],
    ["addr", session.remoteAddress],
    ["laddr", session.localAddress],
    ["name", session.name],
    ["age", session.age],
    ["db", 0],
    ["cmd", session.lastCommand],
    ["user", "default"],
    ["lib-name", session.libraryName],
    ["lib-ver", session.libraryVersion],
    ...(reply === undefined ? [] : [["resp", reply.protocol] as const]),
  ];
  return fields.map(([name, value]) => `${name}=${value}`).join(" ");
}

/** Every row: name, arity, summary, planner. */
const ROWS: readonly (readonly [string, number, string, CommandSpec["plan"]])[] = [
  ["ping", -1, "Answers PONG, or the message.", ping],
  ["echo", 2, "Answers the message.", echo],
  ["hello", -1, "Greets, and chooses the protocol: 2 or 3.", hello],
  ["auth", -2, "Accepted for the default user, which has no password.", auth],
  ["select", 2, "Chooses the database: there is only 0.", select],
  ["client", -2, "Names and describes connections.", client],
  ["reset", 1, "Makes the connection as it was when new.", reset],
  ["quit", -1, "Closes the connection.", quit],
];

export const CONNECTION_COMMANDS: readonly CommandSpec[] = ROWS.map(
  ([name, arity, summary, plan]) => ({
    name,
    arity,
    flags: ["noscript", "loading", "stale", "fast"],
    keys: [0, 0, 0],
    group: "connection",
    summary,
    plan,
  }),
);
