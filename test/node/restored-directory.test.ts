/** What a restored state keeps, what it raises, and what it leaves out. */
import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { after, before, describe, it } from "mocha";
import { databaseOver } from "../../src/embedded.js";
import { openNode } from "../../src/node/lifecycle.js";
import { REVISION_BUMP_DEFAULT, restoreDirectory } from "../../src/node/restored-directory.js";
import { LogIndex, NodeId, Term } from "../../src/raft/types.js";
import { readIdentity } from "../../src/storage/data-directory.js";
import { HardStateFile } from "../../src/storage/hard-state.js";
import { readSnapshot, snapshotFilesOf } from "../../src/storage/kept-snapshot.js";
import { NodeFileSystem } from "../../src/storage/node-file-system.js";
import { SnapshotDirectory } from "../../src/storage/snapshot-directory.js";
import { verifyDirectory } from "../../src/storage/verification.js";
import type { Command, Request } from "../../src/store/command.js";
import { Store } from "../../src/store/store.js";
import { NoPeers } from "../../src/transport/no-peers.js";
import { bytes, del, put, request, text } from "../store/requests.js";

const TIME = 1_790_000_000_000;
const OLD = "00112233445566778899aabbccddeeff";
const HEAD = { clusterId: OLD, index: LogIndex(900), term: Term(7), checksum: 0xfeed };
const CLUSTER = new Map([
  ["n2", "127.0.0.1:2"],
  ["n1", "127.0.0.1:1"],
]);

function id(digit: number): Uint8Array {
  return new Uint8Array(16).fill(digit);
}

/** A state with something of everything. */
function fullStore(): Store {
  const store = new Store();
  const apply = (...commands: readonly Command[]): void => {
    const result = store.apply(request(...commands), TIME);
    assert.equal(result.kind, "applied");
  };
  for (let i = 0; i < 3000; i += 1) apply(put(`key-${i}`, `value ${i}`));
  apply({ kind: "compact", revision: 1000 });
  apply(del("key-1"), put("key-2", "two"));
  apply({ kind: "grantLease", lease: 5, ttl: 60_000 });
  apply({ ...put("leased", "l"), expiry: { kind: "lease", lease: 5 } } as Command);
  apply({ ...put("short", "s"), expiry: { kind: "ttl", ttl: 30_000 } } as Command);
  apply({ kind: "openSession", session: id(1), ttl: 60_000 });
  apply({ kind: "begin", transaction: id(2), isolation: "serializable", idle: 60_000 });
  apply({
    ...{ kind: "stage", transaction: id(2) },
    commands: [put("half", "1") as never],
    reads: [{ key: bytes("key-3") }, { key: bytes("a"), end: bytes("z") }],
  });
  apply({ kind: "savepoint", transaction: id(2), name: bytes("here") });
  apply({ kind: "begin", transaction: id(3), isolation: "snapshot", idle: 60_000 });
  apply({ kind: "commit", transaction: id(3) });
  store.apply({ id: id(9), commands: [put("by-request", "r")] }, TIME);
  return store;
}

const sessionRequest: Request = {
  id: id(8),
  commands: [put("once", "1")],
  session: { session: id(1), sequence: 1, acknowledged: 0 },
};

describe("a directory restored from a snapshot", () => {
  let root = "";
  let file = "";
  let store: Store;

  before(async () => {
    root = mkdtempSync(join(tmpdir(), "balsa-restored-"));
    store = fullStore();
    store.apply(sessionRequest, TIME);
    const directory = new SnapshotDirectory(new NodeFileSystem(), root);
    const writer = directory.begin({
      ...HEAD,
      ...{ revision: store.revision, time: store.logTime, configurationIndex: LogIndex(4) },
      configuration: { voters: ["a", "b"].map(NodeId), learners: [NodeId("c")] },
    });
    const view = store.openView();
    for (let rows = view.next(1000); rows.length > 0; rows = view.next(1000)) writer.append(rows);
    view.close();
    await new Promise((done) => {
      writer.finish(done);
    });
    file = snapshotFilesOf(root)[0] ?? join(root, directory.names[0]?.file ?? "");
  });
  after(() => {
    rmSync(root, { recursive: true });
  });

  function restore(name: string, more: Partial<Parameters<typeof restoreDirectory>[0]> = {}) {
    const dataDirectory = join(root, name);
    return restoreDirectory({
      ...{ file, dataDirectory, id: "n1", cluster: CLUSTER, name: "" },
      ...{ revisionBump: REVISION_BUMP_DEFAULT, onProgress: () => undefined, ...more },
    });
  }

  /** The state that a node finds in it. */
  function load(name: string): Store {
    const loaded = new Store();
    const state = loaded.beginRestore();
    const [snapshot = ""] = snapshotFilesOf(join(root, name));
    readSnapshot(snapshot, (row) => {
      state.add(row);
    });
    state.finish();
    return loaded;
  }

  it("holds every key with its revisions, and a revision beyond all that was told", async () => {
    const { revision } = await restore("keys");
    assert.equal(revision, store.revision + REVISION_BUMP_DEFAULT);
    const loaded = load("keys");
    assert.deepEqual(
      [loaded.revision, loaded.compactedRevision, loaded.size, loaded.logTime],
      [revision, revision, store.size, TIME],
    );
    const none = new Uint8Array(0);
    const page = (of: Store) => of.range(none, none, 10_000, 2 ** 30).keyValues;
    assert.deepEqual(page(loaded), page(store));
    const next = loaded.apply(request(put("next", "1")), TIME + 1);
    assert.equal(next.revision, revision + 1);
    assert.throws(() => loaded.at(bytes("key-2"), store.revision), { code: "REVISION_COMPACTED" });
    assert.throws(() => loaded.changesSince(store.revision + 50, { countMax: 1, sizeMax: 1 }), {
      code: "REVISION_COMPACTED",
    });
  });

  it("keeps leases and their time", async () => {
    await restore("leases");
    const loaded = load("leases");
    assert.deepEqual(loaded.leases(), [5]);
    assert.equal(loaded.remainingOf(bytes("leased"), TIME), 60_000);
    assert.equal(loaded.remainingOf(bytes("short"), TIME), 30_000);
    // The database runs for a minute: what was to end ends.
    for (let t = 1; t <= 7; t += 1) loaded.apply(request({ kind: "expire" }), TIME + t * 10_000);
    assert.equal(loaded.get(bytes("leased")), undefined);
    assert.equal(loaded.get(bytes("short")), undefined);
  });

  it("keeps sessions and outcomes, and repeats nothing", async () => {
    await restore("sessions");
    const loaded = load("sessions");
    assert.ok(loaded.hasSession(id(1)));
    const { revision } = loaded;
    const again = loaded.apply(sessionRequest, TIME + 1);
    assert.equal(again.kind, "applied");
    assert.equal(loaded.revision, revision);
    assert.notEqual(loaded.outcome(id(9)), undefined);
    assert.equal(loaded.transaction(id(3))?.status, "committed");
  });

  it("leaves out open transactions, of which a half might be committed", async () => {
    assert.equal(store.transaction(id(2))?.status, "open");
    await restore("transactions");
    const loaded = load("transactions");
    assert.equal(loaded.transaction(id(2)), undefined);
    const commit = request({ kind: "commit", transaction: id(2) });
    const result = loaded.apply(commit, TIME + 1);
    assert.equal(result.kind === "rejected" && result.reason, "transaction-unknown");
    assert.equal(text(loaded.get(bytes("half"))?.value), undefined);
  });

  it("is whole: identity with its salt, hard state at the snapshot's term, members of the new cluster", async () => {
    const made = await restore("whole", { id: "n2" });
    const path = join(root, "whole");
    const identity = readIdentity(path);
    assert.deepEqual([identity?.nodeId, identity?.clusterId], ["n2", made.clusterId]);
    assert.match(identity?.salt ?? "", /^[0-9a-f]{32}$/);
    const hardState = HardStateFile.open(new NodeFileSystem(), path);
    assert.deepEqual(hardState.current, { term: 7, vote: undefined });
    hardState.close();
    const { head } = readSnapshot(snapshotFilesOf(path)[0] ?? "");
    assert.deepEqual(head.configuration, { voters: ["n1", "n2"], learners: [] });
    assert.deepEqual([head.index, head.term, head.configurationIndex], [900, 7, 0]);
    assert.notEqual(head.checksum, HEAD.checksum);
    assert.notEqual(made.clusterId, OLD);
    assert.deepEqual(verifyDirectory(path).damages, []);
  });

  it("is the same state for each member, and another life", async () => {
    await restore("one", { id: "n1" });
    await restore("two", { id: "n2" });
    const [one = "", two = ""] = ["one", "two"].flatMap((name) =>
      snapshotFilesOf(join(root, name)),
    );
    assert.equal(Buffer.compare(readFileSync(one), readFileSync(two)), 0);
    const [first, second] = ["one", "two"].map((name) => readIdentity(join(root, name)));
    assert.equal(first?.clusterId, second?.clusterId);
    assert.notEqual(first?.incarnationId, second?.incarnationId);
  });

  it("serves, and is refused rather than begun anew when its snapshot is damaged", async () => {
    const cluster = new Map([["n1", "127.0.0.1:1"]]);
    await restore("served", { cluster });
    const dataDirectory = join(root, "served");
    const settings = {
      ...{ id: "n1", peerAddress: "127.0.0.1:1", clientAddress: "127.0.0.1:2", cluster },
      ...{ dataDirectory, electionTimeoutMs: 30, heartbeatMs: 10 },
    };
    const start = () =>
      openNode({
        settings,
        fileSystem: new NodeFileSystem(),
        makeTransport: () => new NoPeers(),
      });
    const node = await start();
    const size = await new Promise((done) => {
      node.service.read(60_000, (error, view) => {
        done(error ?? view?.size);
      });
    });
    assert.equal(size, store.size);
    // A program saves of its own node as the command line does of another.
    await using database = databaseOver(node.service, () => node.close());
    const saved = await database.saveSnapshot({ timeoutMs: 60_000 });
    const parts: Uint8Array[] = [];
    for (let offset = 0; offset < saved.size; offset += parts.at(-1)?.length ?? saved.size)
      parts.push(await database.readSaved(saved, offset, 50_000));
    assert.equal(crc32(Buffer.concat(parts)), saved.fileChecksum);
    await assert.rejects(database.readSaved({ ...saved, index: 1 }, 0), {
      code: "INVALID_ARGUMENT",
    });
    await database.close();
    // Nothing but the snapshot holds the state; without its log it is all there is.
    await rm(join(dataDirectory, "log"), { recursive: true });
    const [snapshot = ""] = snapshotFilesOf(dataDirectory);
    const content = readFileSync(snapshot);
    content[content.length >> 1] = (content[content.length >> 1] ?? 0) ^ 1;
    writeFileSync(snapshot, content);
    await assert.rejects(start(), { code: "CORRUPTION", message: /entries up to 900 are lost/ });
  });

  it("is made whole or not at all, and never over something", async () => {
    mkdirSync(join(root, "empty"));
    await restore("empty");
    await assert.rejects(restore("empty"), { code: "INVALID_ARGUMENT" });
    const damaged = join(root, "damaged.avro");
    const content = readFileSync(file);
    content[content.length - 40] = (content[content.length - 40] ?? 0) ^ 4;
    writeFileSync(damaged, content);
    await assert.rejects(restore("none", { file: damaged }), { code: "CORRUPTION" });
    await assert.rejects(restore("none", { revisionBump: Number.MAX_SAFE_INTEGER - 5 }), {
      code: "INVALID_ARGUMENT",
    });
    assert.ok(!existsSync(join(root, "none")));
    assert.deepEqual(
      readdirSync(root).filter((name) => name.endsWith(".restoring")),
      [],
    );
  });
});
