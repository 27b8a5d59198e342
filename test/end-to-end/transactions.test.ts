/**
 * History, transactions and leases as somebody at a shell has them: real commands,
 * their JSON and their exit codes; and a transaction that outlives the leader it was
 * begun under.
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "mocha";
import { balsa, commandOk, commandServed, ClusterProcesses, STEADY } from "./processes.js";

const UNKNOWN_ID = "00".repeat(16);

describe("the command line of history, transactions and leases", function () {
  this.timeout(1_800_000);
  let cluster: ClusterProcesses;
  before(async () => {
    cluster = new ClusterProcesses(3, 14071, STEADY);
    await cluster.start();
    await cluster.leader();
  });
  after(async () => {
    await cluster[Symbol.asyncDispose]();
  });

  const run = (...words: string[]): Promise<string> =>
    commandOk(words, { endpoints: cluster.endpoints });
  /** JSON lines. */
  const json = async (...words: string[]): Promise<Record<string, unknown>[]> => {
    const lines = (await run(...words, "--json")).split("\n").filter((line) => line !== "");
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  };
  /** The failure, which must have this exit code. */
  const failure = async (code: number, ...words: string[]): Promise<Record<string, unknown>> => {
    const finished = await commandServed([...words, "--json"], { endpoints: cluster.endpoints });
    assert.equal(finished.code, code, `balsa ${words.join(" ")}: ${finished.stdout}`);
    const { error } = JSON.parse(finished.stdout) as { error: Record<string, unknown> };
    assert.equal(error["exitCode"], code);
    return error;
  };

  it("a transaction begun at one node outlives its leader, and is committed at a third", async () => {
    await run("kv", "put", "t/read", "1");
    const [begun] = await json("tx", "begin", "--idle", "1h");
    const id = String(begun?.["id"]);
    assert.match(id, /^[0-9a-f]{32}$/);
    assert.equal(typeof begun?.["readRevision"], "number");
    const leader = await cluster.leader();
    const [one, other] = cluster.nodes.filter(({ id: node }) => node !== leader.id);
    assert.ok(one !== undefined && other !== undefined);
    const at = (node: { readonly client: string }, ...words: string[]): Promise<string> =>
      commandOk(words, { endpoints: node.client });
    assert.equal(await at(one, "tx", "get", id, "t/read"), "1");
    await at(one, "tx", "put", id, "t/a", "one");
    await at(leader, "tx", "savepoint", id, "here");
    await at(one, "tx", "put", id, "t/a", "two");
    await leader.end("SIGKILL");
    await at(other, "tx", "rollback", id, "--to", "here");
    assert.equal(await at(other, "tx", "scan", id, "t/", "--values"), "t/a\tone\nt/read\t1\n");
    const committed = JSON.parse(await at(other, "tx", "commit", id, "--json")) as object;
    assert.deepEqual(Object.keys(committed), ["id", "status", "revision"]);
    // Asked again, of another: the same.
    assert.deepEqual(JSON.parse(await at(one, "tx", "commit", id, "--json")), committed);
    assert.equal(await at(one, "kv", "get", "t/a"), "one");
    await leader.start();
    await cluster.caughtUpTo(leader.id);
  });

  it("a conflict exits 4, with the keys, and changes nothing", async () => {
    await run("kv", "put", "c/a", "1");
    const id = (await run("tx", "begin", "--idle", "1h")).trim();
    await run("tx", "get", id, "c/a");
    await run("tx", "put", id, "c/b", "1");
    const [put] = await json("kv", "put", "c/a", "2");
    const error = await failure(4, "tx", "commit", id);
    assert.equal(error["code"], "CONFLICT");
    assert.equal(error["outcome"], "not-applied");
    const [conflict] = error["conflicts"] as Record<string, unknown>[];
    assert.equal(conflict?.["key"], "c/a");
    assert.equal(conflict["currentRevision"], put?.["revision"]);
    await failure(3, "kv", "get", "c/b");
    assert.equal((await json("tx", "status", id))[0]?.["status"], "conflict");
  });

  it("history, watch, diff and revert tell the same story", async () => {
    const [first] = await json("kv", "put", "h/a", "1");
    const revision = Number(first?.["revision"]);
    await run("kv", "put", "h/a", "2", "--if-revision", String(revision));
    await run("kv", "delete", "h/a", "--if-revision", String(revision + 1));
    const expected = [
      { revision, type: "put", key: "h/a", value: "1" },
      { revision: revision + 1, type: "put", key: "h/a", value: "2" },
      { revision: revision + 2, type: "delete", key: "h/a" },
    ];
    const contract = (lines: Record<string, unknown>[]): unknown[] =>
      lines.map(({ revision: at, type, key, value }) =>
        value === undefined ? { revision: at, type, key } : { revision: at, type, key, value },
      );
    const [history, watched] = await Promise.all([
      json("kv", "history", "h/a", "--oldest-first"),
      json("kv", "watch", "h/", "--from", String(revision), "--limit", "3"),
    ]);
    assert.deepEqual(contract(history), expected);
    assert.deepEqual(contract(watched), expected);
    assert.equal(await run("kv", "get", "h/a", "--revision", String(revision)), "1");
    assert.equal(await run("kv", "list", "h/", "--revision", String(revision)), "h/a\n");
    const [difference] = await json("kv", "diff", "h/", "--from", String(revision));
    assert.equal(difference?.["after"], null);
    const [reverted] = await json("kv", "revert", "h/", "--to", String(revision));
    assert.deepEqual(reverted, { revision: revision + 3, changed: 1 });
    assert.equal(await run("kv", "get", "h/a"), "1");
  });

  it("a key lives as long as it is told to, or as its lease does", async () => {
    await run("kv", "put", "l/a", "1", "--ttl", "1h");
    const ttl = Number((await run("kv", "ttl", "l/a")).trim());
    assert.ok(ttl > 3_000_000 && ttl <= 3_600_000);
    const id = (await run("lease", "grant", "--ttl", "1h")).trim();
    await run("kv", "put", "l/b", "1", "--lease", id);
    await run("lease", "keep-alive", id, "--once");
    const [status] = await json("lease", "status", id);
    assert.deepEqual(status?.["keys"], [{ key: "l/b" }]);
    assert.ok((await run("lease", "list")).split("\n").includes(id));
    await run("lease", "revoke", id);
    assert.equal((await failure(3, "lease", "status", id))["code"], "LEASE_GONE");
    assert.equal((await failure(3, "kv", "put", "l/b", "1", "--lease", id))["code"], "LEASE_GONE");
    await failure(3, "kv", "get", "l/b");
  });

  it("a script for the shell is a session of its own, with its exit code", async () => {
    const shell = (lines: readonly string[], ...words: string[]): ReturnType<typeof balsa> =>
      balsa(["shell", ...words], {
        endpoints: cluster.endpoints,
        stdin: Buffer.from(lines.join("\n")),
      });
    const done = await shell(["put s/a 1", "begin", "put s/a 2", "get s/a", "commit", "list s/"]);
    assert.equal(done.code, 0, done.stderr);
    assert.match(
      done.stdout,
      /^revision \d+\n[0-9a-f]{32}\n2\ncommitted, revision \d+\ns\/a\t2\n$/,
    );
    const failed = await shell(["begin", "put s/a 3", "get s/nothing", "commit"], "--json");
    assert.equal(failed.code, 3);
    assert.match(failed.stderr, /was not committed: rolled back/);
    const last = failed.stdout.trimEnd().split("\n").at(-1) ?? "";
    const { error } = JSON.parse(last) as { error: Record<string, unknown> };
    assert.equal(error["code"], "NOT_FOUND");
    assert.equal(await run("kv", "get", "s/a"), "2");
  });

  it("what cannot be is refused, each with its code and its exit", async () => {
    const [put] = await json("kv", "put", "x", "1");
    const revision = Number(put?.["revision"]);
    await run("kv", "put", "x", "2");
    await run("kv", "compact", String(revision));
    const cases: readonly {
      readonly words: string;
      readonly exit: number;
      readonly code: string;
    }[] = [
      { words: `tx commit ${UNKNOWN_ID}`, exit: 3, code: "TRANSACTION_GONE" },
      { words: `tx get ${UNKNOWN_ID} k`, exit: 3, code: "TRANSACTION_GONE" },
      { words: "tx status nonsense", exit: 2, code: "INVALID_ARGUMENT" },
      { words: "tx begin --idle never", exit: 2, code: "INVALID_ARGUMENT" },
      { words: "tx begin --isolation none", exit: 2, code: "INVALID_ARGUMENT" },
      { words: `kv put x 3 --if-revision ${revision}`, exit: 4, code: "CONDITION_FAILED" },
      { words: `kv get x --revision ${revision - 1}`, exit: 3, code: "REVISION_COMPACTED" },
      { words: `kv get x --revision ${revision + 99}`, exit: 3, code: "REVISION_FUTURE" },
      { words: "kv get x --at yesterday", exit: 2, code: "INVALID_ARGUMENT" },
      { words: `kv watch --from ${revision}`, exit: 3, code: "REVISION_COMPACTED" },
      { words: `kv watch --from ${revision + 99}`, exit: 3, code: "REVISION_FUTURE" },
      { words: `kv diff --from ${revision + 99}`, exit: 3, code: "REVISION_FUTURE" },
      { words: `kv compact ${revision}`, exit: 3, code: "REVISION_COMPACTED" },
      { words: "kv put x 1 --ttl 0s", exit: 2, code: "INVALID_ARGUMENT" },
      { words: "kv outcome nonsense", exit: 2, code: "INVALID_ARGUMENT" },
      { words: "lease revoke 1", exit: 3, code: "LEASE_GONE" },
    ];
    await Promise.all(
      cases.map(async ({ words, exit, code }) => {
        assert.equal((await failure(exit, ...words.split(" ")))["code"], code, words);
      }),
    );
    const idle = (await run("tx", "begin", "--idle", "1ms")).trim();
    await cluster.until("its end", async () =>
      (await json("tx", "status", idle))[0]?.["status"] === "expired" ? true : undefined,
    );
    assert.equal((await failure(3, "tx", "put", idle, "k", "v"))["code"], "TRANSACTION_GONE");
    assert.equal((await json("kv", "outcome", UNKNOWN_ID))[0]?.["outcome"], "unknown");
  });
});
