import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "mocha";
import type {
  Compare,
  KeyCommand,
  KeyValue,
  Request,
  RequestResult,
} from "../../src/store/command.js";
import { DatabaseError } from "../../src/errors.js";
import { Store } from "../../src/store/store.js";
import { type EtcdAnswer, type EtcdKeyValue, Etcd, etcdVersion } from "./etcd.js";
import { request } from "./requests.js";

/** Requests that are compared; more with ETCD_REQUESTS. */
const REQUEST_COUNT = Number(process.env["ETCD_REQUESTS"] ?? 1500);
const VERSION = etcdVersion();
const NO_BYTES = new Uint8Array(0);

type Step =
  | { readonly kind: "write"; readonly command: KeyCommand }
  | { readonly kind: "transaction"; readonly request: Request }
  | {
      readonly kind: "range";
      readonly key: Uint8Array;
      readonly end: Uint8Array;
      readonly limit: number;
      /** so many before the present one */
      readonly behind: number;
    }
  | { readonly kind: "compact"; readonly behind: number };

const keys = ["a", "b", "ab", "a\u0000", "\u00ff", "c", "d"].map(
  (text) => new Uint8Array(Buffer.from(text, "latin1")),
);
const anyKey = fc.constantFrom(...keys);
const anyValue = fc
  .constantFrom("", "1", "2", "\u0000\u00ff")
  .map((text) => Buffer.from(text, "latin1"));
const anyPut = fc
  .tuple(anyKey, anyValue)
  .map(([key, value]): KeyCommand => ({ kind: "put", key, value, condition: "none" }));
const anyDelete = anyKey.map((key): KeyCommand => ({ kind: "delete", key }));
const anyDeleteRange = fc
  .tuple(anyKey, anyKey)
  .map(([key, end]): KeyCommand => ({ kind: "deleteRange", key, end }));
const anyGet = anyKey.map((key): KeyCommand => ({ kind: "get", key }));

/** etcd takes a key once in a transaction. */
const anyBranch = fc.uniqueArray(fc.oneof(anyPut, anyPut, anyDelete, anyGet), {
  minLength: 1,
  maxLength: 4,
  selector: (command) => Buffer.from(command.key).toString("hex"),
});
const anyCompare: fc.Arbitrary<Compare> = fc.oneof(
  fc.record({
    target: fc.constantFrom("version" as const, "createRevision" as const, "modRevision" as const),
    relation: fc.constantFrom("=" as const, "!=" as const, "<" as const, ">" as const),
    key: anyKey,
    number: fc.integer({ min: 0, max: 40 }),
  }),
  fc.record({
    target: fc.constant("value" as const),
    relation: fc.constantFrom("=" as const, "!=" as const, "<" as const, ">" as const),
    key: anyKey,
    value: anyValue,
  }),
);
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc
      .oneof(anyPut, anyPut, anyDelete, anyDeleteRange)
      .map((command): Step => ({ kind: "write", command })),
  },
  {
    weight: 4,
    arbitrary: fc
      .tuple(fc.array(anyCompare, { maxLength: 2 }), anyBranch, anyBranch)
      .map(([compares, commands, otherwise]): Step => ({
        kind: "transaction",
        request: { ...request(...commands), compares, otherwise },
      })),
  },
  {
    weight: 4,
    arbitrary: fc
      .tuple(
        anyKey,
        fc.oneof(anyKey, fc.constant(NO_BYTES)),
        fc.nat({ max: 3 }),
        fc.integer({ min: -2, max: 12 }),
      )
      .map(([key, end, limit, behind]): Step => ({ kind: "range", key, end, limit, behind })),
  },
  {
    weight: 1,
    arbitrary: fc
      .integer({ min: -2, max: 15 })
      .map((behind): Step => ({ kind: "compact", behind })),
  },
);

describe("the store against a real etcd", () => {
  it(`answers ${REQUEST_COUNT} random requests with the same results and revisions`, async function () {
    if (VERSION === undefined) {
      console.warn("\n    SKIPPED: no etcd on this machine (Debian: etcd-server)\n");
      this.skip();
    }
    // Every write is synced, by a disk that may take its time.
    this.timeout(3_600_000);
    await using etcd = await Etcd.start();
    const store = new Store();
    const counts = new Map<string, number>();
    for (const step of fc.sample(anyStep, { numRuns: REQUEST_COUNT, seed: 20261130 })) {
      counts.set(step.kind, (counts.get(step.kind) ?? 0) + 1);
      await compareStep(store, etcd, step);
    }
    assert.equal(counts.size, 4);
    assert.ok(store.compactedRevision > 0);
    assert.ok(store.revision > REQUEST_COUNT / 4);
  });
});

async function compareStep(store: Store, etcd: Etcd, step: Step): Promise<void> {
  switch (step.kind) {
    case "write": {
      const ours = store.apply(request(step.command));
      const [path, body] = etcdWrite(step.command);
      const theirs = await etcd.ask(`kv/${path}`, body);
      assert.deepEqual(writeOf(step.command, theirs), ourWrite(step.command, ours));
      assert.equal(Number(theirs.header?.revision), ours.revision);
      return;
    }
    case "transaction": {
      const ours = store.apply(step.request);
      const theirs = await etcd.ask("kv/txn", etcdTransaction(step.request));
      assert.ok(ours.kind === "applied", JSON.stringify(ours));
      assert.equal(theirs.succeeded ?? false, ours.succeeded);
      assert.equal(Number(theirs.header?.revision), ours.revision);
      const branch = ours.succeeded === true ? step.request.commands : step.request.otherwise;
      const ran = (branch ?? []) as readonly KeyCommand[];
      assert.deepEqual(
        (theirs.responses ?? []).map((response, i) => {
          const answer =
            response.response_put ?? response.response_range ?? response.response_delete_range;
          return writeOf(ran[i], answer ?? {});
        }),
        ran.map((command, i) =>
          ourWrite(command, { ...ours, results: ours.results.slice(i, i + 1) }),
        ),
      );
      return;
    }
    case "range":
      await compareRange(store, etcd, step);
      return;
    case "compact": {
      const revision = store.revision - step.behind;
      if (revision <= 0) return;
      const ours = store.apply(request({ kind: "compact", revision }));
      const theirs = await etcd.ask("kv/compaction", { revision: String(revision) });
      const refusal = ours.kind === "rejected" ? ours.reason : undefined;
      assert.equal(refusalOf(theirs), refusal);
      return;
    }
  }
}

async function compareRange(
  store: Store,
  etcd: Etcd,
  { key, end, limit, behind }: Extract<Step, { kind: "range" }>,
): Promise<void> {
  // 0 asks etcd for the present.
  const revision = behind === 0 ? 0 : store.revision - behind;
  if (revision < 0) return;
  const theirs = await etcd.ask("kv/range", {
    key: base64(key),
    range_end: end.length === 0 ? "AA==" : base64(end),
    limit: String(limit),
    revision: String(revision),
  });
  const countMax = limit === 0 ? Infinity : limit;
  let refusal: string | undefined;
  try {
    const page =
      revision === 0
        ? store.range(key, end, countMax, Infinity)
        : store.rangeAt(key, end, revision, { countMax, sizeMax: Infinity });
    assert.deepEqual((theirs.kvs ?? []).map(plainOfEtcd), page.keyValues.map(plain));
    assert.equal(theirs.more ?? false, page.more);
    assert.equal(Number(theirs.header?.revision), store.revision);
  } catch (error) {
    if (!(error instanceof DatabaseError)) throw error;
    refusal = error.code === "REVISION_COMPACTED" ? "revision-compacted" : "revision-future";
  }
  assert.equal(refusalOf(theirs), refusal);
}

function refusalOf({ error }: EtcdAnswer): string | undefined {
  if (error === undefined) return undefined;
  if (error.includes("has been compacted")) return "revision-compacted";
  if (error.includes("future revision")) return "revision-future";
  return error;
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}

function etcdWrite(command: KeyCommand): [string, Record<string, unknown>] {
  const key = base64(command.key);
  switch (command.kind) {
    case "put":
      return ["put", { key, value: base64(command.value), prev_kv: true }];
    case "delete":
      return ["deleterange", { key, prev_kv: true }];
    case "deleteRange":
      return ["deleterange", { key, range_end: base64(command.end), prev_kv: true }];
    default:
      return ["range", { key }];
  }
}

function etcdTransaction({ compares, commands, otherwise }: Request): unknown {
  const operation = (command: KeyCommand): unknown => {
    const [path, body] = etcdWrite(command);
    const name = { put: "request_put", deleterange: "request_delete_range" }[path];
    return { [name ?? "request_range"]: body };
  };
  const results = { "=": "EQUAL", "!=": "NOT_EQUAL", "<": "LESS", ">": "GREATER" };
  const targets = {
    version: "VERSION",
    createRevision: "CREATE",
    modRevision: "MOD",
    lease: "LEASE",
    value: "VALUE",
  };
  const fields = {
    version: "version",
    createRevision: "create_revision",
    modRevision: "mod_revision",
    lease: "lease",
  };
  return {
    compare: (compares ?? []).map((compare) => ({
      key: base64(compare.key),
      result: results[compare.relation],
      target: targets[compare.target],
      ...(compare.target === "value"
        ? { value: base64(compare.value) }
        : { [fields[compare.target]]: String(compare.number) }),
    })),
    success: (commands as readonly KeyCommand[]).map(operation),
    failure: (otherwise ?? []).map(operation),
  };
}

/** What a command found and removed, in one form for both. */
interface Plain {
  readonly found: readonly string[];
  readonly deleted: number;
}

function ourWrite(command: KeyCommand, result: RequestResult): Plain {
  assert.ok(result.kind === "applied");
  const [first] = result.results;
  // Ours does not list what a range deletion removed.
  const found = first?.previous === undefined ? [] : [plain(first.previous)];
  return { found: command.kind === "deleteRange" ? [] : found, deleted: first?.deletedCount ?? 0 };
}

function writeOf(command: KeyCommand | undefined, answer: EtcdAnswer): Plain {
  const previous = answer.prev_kv === undefined ? [] : [answer.prev_kv];
  const lists = answer as { readonly prev_kvs?: readonly EtcdKeyValue[] };
  const found = [...previous, ...(answer.kvs ?? []), ...(lists.prev_kvs ?? [])].map(plainOfEtcd);
  return {
    found: command?.kind === "deleteRange" ? [] : found,
    deleted: Number(answer.deleted ?? 0),
  };
}

function plain({ key, value, createRevision, modRevision, version }: KeyValue): string {
  return [base64(key), base64(value), createRevision, modRevision, version].join(" ");
}

function plainOfEtcd(record: EtcdKeyValue): string {
  const { key, value, create_revision, mod_revision, version } = record;
  return [key, value ?? "", create_revision, mod_revision, version].join(" ");
}
