import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, afterEach, before, describe, it } from "mocha";
import sinon from "sinon";
import { DatabaseError } from "../../src/errors.js";
import { NodeId } from "../../src/raft/types.js";
import {
  openDataDirectory,
  readIdentity,
  type DataDirectory,
} from "../../src/storage/data-directory.js";
import { CLUSTER_ID } from "./entries.js";

const HOLDER = join(import.meta.dirname, "lock-holder.js");

describe("data directory", () => {
  let root = "";
  let count = 0;
  const children = new Set<ChildProcess>();
  const newPath = (): string => join(root, `d${++count}`);

  before(() => {
    // Messages name a directory by where it really is.
    root = realpathSync(mkdtempSync(join(tmpdir(), "balsa-dir-")));
  });
  /** None outlives its test: it would hold a directory that has gone, under a number that the next one gets. */
  afterEach(async () => {
    await Promise.all([...children].map(killed));
    children.clear();
  });
  after(() => {
    rmSync(root, { recursive: true, force: true });
  });

  function open(path: string, nodeId = "a", clusterId = CLUSTER_ID): Promise<DataDirectory> {
    return openDataDirectory({
      path,
      nodeId: NodeId(nodeId),
      clusterId,
      onCompromised: (error) => {
        throw error;
      },
    });
  }

  async function killed(child: ChildProcess): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
  }

  /** Starts a process on the directory and waits for its first line. */
  async function hold(path: string) {
    const child = spawn(process.execPath, [HOLDER, path], { stdio: ["pipe", "pipe", "inherit"] });
    children.add(child);
    const lines = createInterface({ input: child.stdout });
    const [line] = (await once(lines, "line")) as [string];
    const kill = (): Promise<void> => killed(child);
    return { child, pid: child.pid ?? 0, said: JSON.parse(line) as Record<string, unknown>, kill };
  }

  /** Every name below `path` with its bytes and times. */
  function snapshot(path: string): readonly string[] {
    return readdirSync(path, { recursive: true, encoding: "utf8" })
      .sort()
      .map((name) => {
        const stat = statSync(join(path, name), { bigint: true });
        const bytes = stat.isFile() ? readFileSync(join(path, name), "base64") : "";
        // LOCK itself is touched by its owner
        return name === "LOCK" ? name : `${name} ${stat.mtimeNs} ${bytes}`;
      });
  }

  it("is made with an identity that stays", async () => {
    const path = join(newPath(), "deep", "er");
    assert.equal(readIdentity(path), undefined);
    const directory = await open(path);
    const { identity } = directory;
    assert.equal(identity.nodeId, "a");
    assert.equal(identity.clusterId, CLUSTER_ID);
    assert.match(identity.incarnationId, /^[0-9a-f]{32}$/);
    await directory.close();
    await directory.close();
    assert.deepEqual(readdirSync(path), ["identity.json"]);
    await using again = await open(path);
    assert.deepEqual(again.identity, identity);
    assert.deepEqual(readIdentity(path), identity);
    const other = await open(newPath());
    assert.notEqual(other.identity.incarnationId, identity.incarnationId);
    await other.close();
  });

  it("is refused to a second owner, in this process too, who touches nothing", async () => {
    const path = newPath();
    const holder = await hold(path);
    assert.ok(holder.said["held"]);
    const before = snapshot(path);
    const refusal = `data directory ${path} is in use by process ${holder.pid} (node holder) since 20`;
    await assert.rejects(open(path), (error) => {
      assert.ok(error instanceof DatabaseError && error.code === "DIRECTORY_IN_USE");
      assert.ok(error.message.startsWith(refusal), error.message);
      return true;
    });
    const second = await hold(path);
    assert.equal(second.said["code"], "DIRECTORY_IN_USE");
    assert.deepEqual(snapshot(path), before);
    await holder.kill();
    const mine = await open(path, "holder");
    await assert.rejects(open(path, "holder"), {
      code: "DIRECTORY_IN_USE",
      message: new RegExp(`process ${process.pid} `),
    });
    await mine.close();
  });

  it("is free at once when its owner was killed, again and again", async () => {
    const path = newPath();
    for (let round = 0; round < 3; round++) {
      const holder = await hold(path);
      assert.ok(holder.said["held"], JSON.stringify(holder.said));
      assert.ok(existsSync(join(path, "LOCK")));
      await holder.kill();
    }
    await (await open(path, "holder")).close();
    assert.deepEqual(readdirSync(path), ["identity.json"]);
  });

  it("is one's alone when several start at once, on a new directory and on a dead owner's", async () => {
    const path = newPath();
    for (let round = 0; round < 2; round++) {
      const holders = await Promise.all(Array.from({ length: 4 }, () => hold(path)));
      const codes = holders.map(({ said }) => said["code"] ?? "held").sort();
      assert.deepEqual(codes, ["DIRECTORY_IN_USE", "DIRECTORY_IN_USE", "DIRECTORY_IN_USE", "held"]);
      for (const holder of holders) if (holder.said["held"] !== undefined) await holder.kill();
    }
  });

  it("is free when its owner's process id belongs to another process by now", async () => {
    const path = newPath();
    const holder = await hold(path);
    const owner = JSON.parse(readFileSync(join(path, "LOCK.owner"), "utf8")) as object;
    await holder.kill();
    // this process lives, and began at another time than the one that held the directory
    const recycled = { ...owner, pid: process.pid };
    writeFileSync(join(path, "LOCK.owner"), JSON.stringify(recycled));
    assert.ok(existsSync(join(path, "LOCK")));
    await (await open(path, "holder")).close();
  });

  it("is still its owner's when it is moved, and the place it had is free", async () => {
    const path = newPath();
    const moved = newPath();
    const holder = await hold(path);
    renameSync(path, moved);
    await assert.rejects(open(moved, "holder"), {
      code: "DIRECTORY_IN_USE",
      message: new RegExp(`process ${holder.pid} `),
    });
    await (await open(path)).close();
    await holder.kill();
    const mine = await open(moved, "holder");
    assert.equal(mine.identity.nodeId, "holder");
    await mine.close();
  });

  it("is not taken from an owner that is only stopped, however old its lock looks", async () => {
    const path = newPath();
    const holder = await hold(path);
    holder.child.kill("SIGSTOP");
    const owner = JSON.parse(readFileSync(join(path, "LOCK.owner"), "utf8")) as object;
    const refusal = { code: "DIRECTORY_IN_USE", message: new RegExp(`process ${holder.pid} `) };
    await assert.rejects(open(path), refusal);
    // LOCK's word alone, without the socket, as seen from another network namespace
    const elsewhere = newPath();
    mkdirSync(join(elsewhere, "LOCK"), { recursive: true });
    writeFileSync(join(elsewhere, "LOCK.owner"), JSON.stringify(owner));
    await assert.rejects(open(elsewhere), refusal);
    await holder.kill();
    await (await open(elsewhere)).close();
  });

  const owners: readonly {
    readonly title: string;
    readonly owner: object | undefined;
    readonly silent: boolean;
    readonly free: boolean;
  }[] = [
    { title: "another machine, lately alive", owner: foreign(), silent: false, free: false },
    { title: "another machine, long silent", owner: foreign(), silent: true, free: true },
    { title: "nobody known, lately alive", owner: undefined, silent: false, free: false },
    { title: "nobody known, long silent", owner: undefined, silent: true, free: true },
  ];
  for (const { title, owner, silent, free } of owners) {
    it(`is ${free ? "free" : "refused"} when LOCK belongs to ${title}`, async () => {
      const path = newPath();
      const lock = join(path, "LOCK");
      mkdirSync(lock, { recursive: true });
      if (owner !== undefined) writeFileSync(join(path, "LOCK.owner"), JSON.stringify(owner));
      // The clock stands, however long this process does before it looks.
      const now = Date.now();
      const clock = sinon.useFakeTimers({ now, toFake: ["Date"] });
      try {
        const touchedAt = new Date(now - (silent ? 35_000 : 25_000));
        utimesSync(lock, touchedAt, touchedAt);
        if (free) await (await open(path)).close();
        else await assert.rejects(open(path), { code: "DIRECTORY_IN_USE" });
      } finally {
        clock.restore();
      }
    });
  }

  function foreign(): object {
    return { pid: 1, startTime: "1", bootId: "other", host: "elsewhere", nodeId: "x", since: "" };
  }

  it("of another node or cluster is refused, and named", async () => {
    const path = newPath();
    await (await open(path)).close();
    await assert.rejects(open(path, "b"), {
      code: "WRONG_DIRECTORY",
      message: `${path} belongs to node a of cluster ${CLUSTER_ID}, not to node b`,
    });
    const other = "f".repeat(32);
    await assert.rejects(open(path, "a", other), {
      code: "WRONG_DIRECTORY",
      message: `${path} belongs to node a of cluster ${CLUSTER_ID}, not to cluster ${other}`,
    });
    // the refusals let go of it
    await (await open(path)).close();
  });

  it("of a later format is refused", async () => {
    const path = newPath();
    await (await open(path)).close();
    const file = join(path, "identity.json");
    writeFileSync(
      file,
      readFileSync(file, "utf8").replace('"formatVersion":1', '"formatVersion":2'),
    );
    await assert.rejects(open(path), { code: "WRONG_DIRECTORY", message: /format version 2/ });
  });

  for (const text of ["", "{", "[]", "null", '{"clusterId":"x"}', "\0".repeat(200)]) {
    it(`with ${JSON.stringify(text.slice(0, 20))} for an identity is refused`, async () => {
      const path = newPath();
      mkdirSync(path);
      writeFileSync(join(path, "identity.json"), text);
      await assert.rejects(open(path), { code: "CORRUPTION", message: /identity\.json/ });
      assert.throws(() => readIdentity(path), { code: "CORRUPTION" });
    });
  }

  it("with a log but no identity is refused", async () => {
    const path = newPath();
    mkdirSync(join(path, "log"), { recursive: true });
    await assert.rejects(open(path), { code: "CORRUPTION", message: /holds log but no identity/ });
  });

  it("that cannot be made is refused, and named", async () => {
    const file = newPath();
    writeFileSync(file, "");
    await assert.rejects(open(join(file, "data")), {
      code: "STORAGE_FAILED",
      message: /the data directory .* cannot be used: ENOTDIR/,
    });
  });

  it("that cannot be written is refused, and named", async function () {
    const path = newPath();
    mkdirSync(path);
    chmodSync(path, 0o500);
    if (process.getuid?.() === 0) {
      console.log("      (not tried: root may write everywhere)");
      this.skip();
    }
    await assert.rejects(open(path), { code: "STORAGE_FAILED", message: /EACCES/ });
  });
});
