/**
 * The floors of the house, executed: imports go down only. The table is the plan;
 * a folder that is not in it fails.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { describe, it } from "mocha";

/** What a room may import: other rooms, and packages beside Node's own modules. */
interface Room {
  readonly rooms: readonly string[];
  /** rooms of which only types may be imported */
  readonly typesOf?: readonly string[];
  /** single files of other rooms: the few entries that the outermost floor names */
  readonly entries?: readonly string[];
  readonly packages: readonly string[];
  readonly nodeModules: boolean;
}

const FLOOR_0 = ["src/assert", "src/errors"];
const FLOOR_1 = [...FLOOR_0, "src/raft", "src/store"];
const FLOOR_2 = [...FLOOR_1, "src/codec"];
const FLOOR_3 = [...FLOOR_2, "src/storage", "src/transport"];
const FLOOR_4 = [...FLOOR_3, "src/node"];
/** What a user holds: interfaces, in files by their ideas. */
const DATABASE = [
  "src/database",
  "src/operations",
  "src/decision",
  "src/keyspace",
  "src/transaction",
  "src/lease",
  "src/watch",
];
const FLOOR_5 = [
  ...FLOOR_4,
  ...DATABASE,
  "src/value-codecs",
  "src/embedded",
  "src/open",
  "src/server",
  "src/client",
  "src/doors",
  "src/simulation",
];

const ROOMS: Readonly<Record<string, Room>> = {
  "src/assert": { rooms: [], packages: [], nodeModules: false },
  "src/errors": { rooms: [], packages: [], nodeModules: false },
  "src/raft": { rooms: FLOOR_0, packages: [], nodeModules: false },
  "src/store": {
    rooms: FLOOR_0,
    typesOf: ["src/raft"],
    packages: ["sorted-btree"],
    nodeModules: false,
  },
  "src/codec": { rooms: FLOOR_1, packages: ["avsc"], nodeModules: true },
  "src/storage": { rooms: FLOOR_2, packages: ["proper-lockfile"], nodeModules: true },
  "src/transport": { rooms: FLOOR_2, packages: [], nodeModules: true },
  "src/node": { rooms: FLOOR_3, packages: [], nodeModules: true },
  "src/database": { rooms: [...FLOOR_4, ...DATABASE], packages: [], nodeModules: true },
  "src/operations": { rooms: DATABASE, packages: [], nodeModules: false },
  "src/decision": { rooms: DATABASE, packages: [], nodeModules: false },
  "src/keyspace": { rooms: DATABASE, packages: [], nodeModules: false },
  "src/transaction": { rooms: DATABASE, packages: [], nodeModules: false },
  "src/lease": { rooms: DATABASE, packages: [], nodeModules: false },
  "src/watch": { rooms: DATABASE, packages: [], nodeModules: false },
  // avsc is loaded when a codec first needs it.
  "src/value-codecs": {
    rooms: ["src/operations", "src/keyspace"],
    packages: ["avsc"],
    nodeModules: false,
  },
  "src/embedded": { rooms: FLOOR_5, packages: [], nodeModules: true },
  "src/open": { rooms: FLOOR_5, packages: [], nodeModules: true },
  "src/server": { rooms: FLOOR_5, packages: [], nodeModules: true },
  "src/client": { rooms: FLOOR_5, packages: [], nodeModules: true },
  "src/doors": { rooms: FLOOR_5, packages: [], nodeModules: true },
  "src/simulation": { rooms: FLOOR_5, packages: [], nodeModules: true },
  "src/index": { rooms: FLOOR_5, packages: [], nodeModules: false },
  // Not through src/index: a short command must not load the node.
  "src/console": {
    rooms: ["src/index", ...DATABASE, "src/client", ...FLOOR_0],
    entries: [
      "src/codec/block",
      "src/codec/request-shape",
      "src/codec/schema",
      "src/node/restored-directory",
      "src/node/service",
      "src/raft/types",
      "src/storage/kept-snapshot",
      "src/storage/log-export",
      "src/storage/offline-log",
      "src/storage/verification",
      "src/storage/whole-file",
      "src/store/bytes",
    ],
    packages: ["@oclif/core", "cli-progress"],
    nodeModules: true,
  },
  commands: {
    rooms: ["src/index", "src/console", "src/client", "bench"],
    entries: [
      "src/server",
      "src/node/restored-directory",
      "src/storage/kept-snapshot",
      "src/storage/verification",
      "src/storage/whole-file",
    ],
    packages: ["@oclif/core"],
    nodeModules: true,
  },
  bench: {
    rooms: ["src/index", "src/console", "src/client", ...FLOOR_0],
    entries: [
      "src/codec/block",
      // the load generator makes its bytes once and sends them a million times
      "src/codec/client-message",
      "src/codec/client-request",
      "src/codec/client-response",
      "src/codec/frame",
      // what a snapshot does on the loop is timed
      "src/node/slices",
      "src/raft/types",
      "src/storage/node-file-system",
      "src/storage/segmented-log",
      "src/storage/snapshot-directory",
      "src/store/store",
    ],
    typesOf: ["src/codec", "src/store"],
    packages: [],
    nodeModules: true,
  },
};

/** Names that say nothing; the idea has a better one. */
const FORBIDDEN_NAMES = /^(utils?|helpers?|common|manager|misc|shared)\b/;

interface Import {
  readonly file: string;
  readonly target: string;
  readonly typeOnly: boolean;
}

function typeScriptFiles(directory: string): string[] {
  return readdirSync(directory).flatMap((name) => {
    const full = path.join(directory, name);
    if (statSync(full).isDirectory()) return typeScriptFiles(full);
    return name.endsWith(".ts") ? [full] : [];
  });
}

/** `src/raft/log.ts` is in room `src/raft`, `src/index.ts` is room `src/index`. */
function roomOf(file: string): string {
  const parts = file.replace(/\.[jt]s$/, "").split("/");
  return parts[0] === "src" ? parts.slice(0, 2).join("/") : (parts[0] ?? file);
}

const IMPORT =
  /^\s*(?:import|export)\s+(type\s+)?(?:[^"';]*?\s+from\s+)?["']([^"']+)["']|import\(\s*["']([^"']+)["']/gm;

/** Examples in doc comments import what a user would. */
const DOC_COMMENT = /\/\*\*.*?\*\//gs;

function importsOf(file: string, text: string): Import[] {
  return [...text.replaceAll(DOC_COMMENT, "").matchAll(IMPORT)].map((match) => ({
    file,
    target: match[2] ?? match[3] ?? "",
    typeOnly: match[1] !== undefined,
  }));
}

/** Why an import is against the plan; undefined when it is not. */
function objection({ file, target, typeOnly }: Import): string | undefined {
  const from = roomOf(file);
  const room = ROOMS[from];
  if (room === undefined) return `${file}: room ${from} is not in the table`;
  if (target.startsWith("node:")) {
    return room.nodeModules ? undefined : `${file}: ${from} may not import ${target}`;
  }
  if (!target.startsWith(".")) {
    const name = target
      .split("/")
      .slice(0, target.startsWith("@") ? 2 : 1)
      .join("/");
    return room.packages.includes(name) ? undefined : `${file}: ${from} may not import ${name}`;
  }
  const targetFile = path.posix.join(path.posix.dirname(file), target);
  const to = roomOf(targetFile);
  if (to === from || room.rooms.includes(to)) return undefined;
  if (room.entries?.includes(targetFile.replace(/\.js$/, "")) === true) return undefined;
  if (typeOnly && room.typesOf?.includes(to) === true) return undefined;
  return `${file}: ${from} may not import ${to}`;
}

const ROOT = path.resolve(import.meta.dirname, "../..");
const files = ["src", "commands", "bench"]
  .flatMap((folder) => typeScriptFiles(path.join(ROOT, folder)))
  .map((file) => path.relative(ROOT, file).split(path.sep).join("/"));
const imports = files.flatMap((file) =>
  importsOf(file, readFileSync(path.join(ROOT, file), "utf8")),
);

describe("the floors of the house", () => {
  it("imports go down only", () => {
    assert.ok(imports.length > 100, `the check looked at ${imports.length} imports`);
    assert.deepEqual(
      imports.map(objection).filter((found) => found !== undefined),
      [],
    );
  });

  it("every room of the table exists", () => {
    const rooms = new Set(files.map(roomOf));
    assert.deepEqual(
      Object.keys(ROOMS).filter((room) => !rooms.has(room)),
      [],
    );
  });

  it("imports inside the pure core have no circle, not even through types that are values", () => {
    const graph = new Map<string, string[]>();
    for (const { file, target, typeOnly } of imports) {
      if (typeOnly || !target.startsWith(".")) continue;
      const to = path.posix.join(path.posix.dirname(file), target).replace(/\.js$/, ".ts");
      graph.set(file, [...(graph.get(file) ?? []), to]);
    }
    const circles: string[] = [];
    const done = new Set<string>();
    const visit = (file: string, trail: readonly string[]): void => {
      if (trail.includes(file))
        circles.push([...trail.slice(trail.indexOf(file)), file].join(" → "));
      if (trail.includes(file) || done.has(file)) return;
      for (const next of graph.get(file) ?? []) visit(next, [...trail, file]);
      done.add(file);
    };
    for (const file of graph.keys()) visit(file, []);
    assert.deepEqual(circles, []);
  });

  it("no file has a name that says nothing", () => {
    assert.deepEqual(
      files.filter((file) => FORBIDDEN_NAMES.test(path.basename(file))),
      [],
    );
  });

  const planted: readonly { readonly file: string; readonly text: string }[] = [
    { file: "src/raft/oops.ts", text: 'import fs from "node:fs";' },
    { file: "src/raft/oops.ts", text: 'import { Store } from "../store/store.js";' },
    { file: "src/store/oops.ts", text: 'import { Raft } from "../raft/raft.js";' },
    { file: "src/storage/oops.ts", text: 'import { TcpTransport } from "../transport/tcp.js";' },
    { file: "src/codec/oops.ts", text: 'export * from "../storage/segment.js";' },
    { file: "src/node/oops.ts", text: 'const door = await import("../doors/door.js");' },
    { file: "commands/oops.ts", text: 'import { Driver } from "../src/node/driver.js";' },
    { file: "src/transport/oops.ts", text: 'import avro from "avsc";' },
    { file: "src/attic/oops.ts", text: 'import { assert } from "../assert.js";' },
  ];
  for (const { file, text } of planted) {
    it(`objects to ${text} in ${file}`, () => {
      const found = importsOf(file, text);
      assert.equal(found.length, 1);
      assert.notEqual(found.map(objection)[0], undefined);
    });
  }

  it("allows the state machine the types of the core", () => {
    const [found] = importsOf(
      "src/store/a.ts",
      'import type { LogIndex } from "../raft/types.js";',
    );
    assert.ok(found !== undefined);
    assert.equal(objection(found), undefined);
  });
});
