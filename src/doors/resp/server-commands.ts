/** The commands on the server: what it serves, how it stands, how it is set. */
import { local, refuse, rejectArity, rejectSubcommand } from "./command.js";
import type { CommandContext, CommandSpec, CommandTable, Plan } from "./command.js";
import { Glob } from "./glob.js";
import { latin1 } from "./reply.js";
import type { ReplyWriter } from "./reply.js";

/** The Redis whose replies these are; clients look at it to know what they may ask. */
export const REDIS_VERSION = "7.0.15";
export const SERVER_NAME = "balsa";

const EMPTY = Buffer.alloc(0);

function info(args: readonly Buffer[], context: CommandContext): Plan {
  const wanted = new Set(args.map((arg) => latin1(arg).toLowerCase()));
  const all =
    wanted.size === 0 || ["all", "default", "everything"].some((section) => wanted.has(section));
  return local((reply) => {
    const sections = infoSections(context)
      .filter(([title]) => all || wanted.has(title.toLowerCase()))
      .map(
        ([title, fields]) =>
          `# ${title}\r\n${fields.map(([name, value]) => `${name}:${value}\r\n`).join("")}`,
      );
    reply.verbatim(sections.join("\r\n"));
  });
}

type InfoSection = readonly [
  title: string,
  fields: readonly (readonly [name: string, value: string | number])[],
];

function infoSections({ service, sessions }: CommandContext): readonly InfoSection[] {
  const node = service.info();
  const memory = process.memoryUsage();
  const port = node.clientAddress.slice(node.clientAddress.lastIndexOf(":") + 1);
  return [
    [
      "Server",
      [
        ["redis_version", REDIS_VERSION],
        ["redis_mode", "standalone"],
        ["balsa_version", node.version],
        ["os", `${process.platform} ${process.arch}`],
        ["process_id", process.pid],
        ["tcp_port", port],
        ["uptime_in_seconds", Math.floor(node.uptimeSeconds)],
        ["uptime_in_days", Math.floor(node.uptimeSeconds / 86_400)],
      ],
    ],
    ["Clients", [["connected_clients", [...sessions()].length]]],
    [
      "Memory",
      [
        ["used_memory", memory.heapUsed + memory.external],
        ["used_memory_rss", memory.rss],
        ["maxmemory", 0],
        ["maxmemory_policy", "noeviction"],
      ],
    ],
    [
      "Persistence",
      [
        ["loading", 0],
        ["aof_enabled", 1],
      ],
    ],
    [
      "Replication",
      [
        // Every node takes writes: it hands them to the leader.
        ["role", node.role === "learner" ? "slave" : "master"],
        ["connected_slaves", 0],
      ],
    ],
    [
      "Raft",
      [
        ["raft_id", node.id],
        ["raft_cluster_id", node.clusterId],
        ["raft_role", node.role],
        ["raft_role_reason", node.reason],
        ["raft_term", node.term],
        ["raft_leader", node.leader ?? ""],
        ["raft_first_index", node.firstIndex],
        ["raft_last_index", node.lastIndex],
        ["raft_flushed_index", node.flushedIndex],
        ["raft_commit_index", node.commitIndex],
        ["raft_applied_index", node.appliedIndex],
        ["raft_revision", node.revision],
        ["raft_peer_address", node.peerAddress],
        ["raft_client_address", node.clientAddress],
      ],
    ],
    ["Cluster", [["cluster_enabled", 0]]],
    ["Keyspace", node.keyCount === 0 ? [] : [["db0", `keys=${node.keyCount},expires=0,avg_ttl=0`]]],
  ];
}

/** What CONFIG GET tells: what is true here, in Redis' names. */
function configuration({ service }: CommandContext): readonly (readonly [string, string])[] {
  return [
    // No save points: every write is in the log, synced, before it is acknowledged.
    ["save", ""],
    ["appendonly", "yes"],
    ["appendfsync", "always"],
    ["databases", "1"],
    ["maxmemory", "0"],
    ["maxmemory-policy", "noeviction"],
    ["proto-max-bulk-len", service.limits.valueSizeMax.toString()],
    ["timeout", "0"],
  ];
}

function config(args: readonly Buffer[], context: CommandContext): Plan {
  const [subcommandArg = EMPTY, ...patterns] = args;
  const text = latin1(subcommandArg);
  switch (text.toLowerCase()) {
    case "get":
      return patterns.length === 0 ? rejectArity("config|get") : configGet(patterns, context);
    case "set":
      return patterns.length < 2
        ? rejectArity("config|set")
        : refuse("ERR CONFIG SET is not served: a node is configured when it starts");
    default:
      return rejectSubcommand("CONFIG", text);
  }
}

function configGet(patterns: readonly Buffer[], context: CommandContext): Plan {
  const globs = patterns.map((pattern) => new Glob(Buffer.from(latin1(pattern).toLowerCase())));
  return local((reply) => {
    const found = configuration(context).filter(([name]) =>
      globs.some((glob) => glob.matches(Buffer.from(name))),
    );
    reply.map(found.length);
    for (const [name, value] of found) {
      reply.bulkText(name);
      reply.bulkText(value);
    }
  });
}

function command(args: readonly Buffer[], { table }: CommandContext): Plan {
  const [subcommandArg, ...names] = args;
  if (subcommandArg === undefined) {
    return local((reply) => {
      reply.array(table.size);
      for (const spec of table.values()) replySpec(reply, spec);
    });
  }
  const text = latin1(subcommandArg);
  switch (text.toLowerCase()) {
    case "count":
      if (names.length > 0) return rejectArity("command|count");
      return local((reply) => {
        reply.integer(table.size);
      });
    case "list":
      if (names.length > 0) return refuse("ERR syntax error");
      return local((reply) => {
        reply.set(table.size);
        for (const name of table.keys()) reply.bulkText(name);
      });
    case "info":
      return local((reply) => {
        const specs = named(names, table);
        reply.array(specs.length);
        for (const spec of specs) replySpec(reply, spec);
      });
    case "docs":
      return local((reply) => {
        replyDocs(reply, named(names, table));
      });
    default:
      return rejectSubcommand("COMMAND", text);
  }
}

/** The rows of these names, in their order; all rows when none is named. */
function named(
  names: readonly Buffer[],
  table: CommandTable,
): readonly (CommandSpec | undefined)[] {
  if (names.length === 0) return [...table.values()];
  return names.map((name) => table.get(latin1(name).toLowerCase()));
}

const CATEGORIES: Readonly<Record<CommandSpec["group"], string>> = {
  string: "@string",
  generic: "@keyspace",
  connection: "@connection",
  server: "@server",
  transactions: "@transaction",
};

/** Redis 7's ten fields: name, arity, flags, keys, categories, tips, key specs, subcommands. */
function replySpec(reply: ReplyWriter, spec: CommandSpec | undefined): void {
  if (spec === undefined) {
    reply.null();
    return;
  }
  reply.array(10);
  reply.bulkText(spec.name);
  reply.integer(spec.arity);
  reply.set(spec.flags.length);
  for (const flag of spec.flags) reply.simple(flag);
  for (const position of spec.keys) reply.integer(position);
  reply.set(1);
  reply.simple(CATEGORIES[spec.group]);
  reply.array(0);
  reply.array(0);
  reply.array(0);
}

function replyDocs(reply: ReplyWriter, specs: readonly (CommandSpec | undefined)[]): void {
  const known = specs.filter((spec) => spec !== undefined);
  reply.map(known.length);
  for (const { name, summary, group } of known) {
    reply.bulkText(name);
    reply.map(2);
    reply.bulkText("summary");
    reply.bulkText(summary);
    reply.bulkText("group");
    reply.bulkText(group);
  }
}

const FLAGS = ["loading", "stale"];

export const SERVER_COMMANDS: readonly CommandSpec[] = [
  {
    name: "info",
    arity: -1,
    flags: FLAGS,
    keys: [0, 0, 0],
    group: "server",
    summary: "Describes this node.",
    plan: info,
  },
  {
    name: "config",
    arity: -2,
    flags: [...FLAGS, "admin", "noscript"],
    keys: [0, 0, 0],
    group: "server",
    summary: "Shows how this node is configured (GET).",
    plan: config,
  },
  {
    name: "command",
    arity: -1,
    flags: FLAGS,
    keys: [0, 0, 0],
    group: "server",
    summary: "Describes the commands served.",
    plan: command,
  },
];
