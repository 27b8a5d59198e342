/** The contract of versions, conditions, the past and going back to it. */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import type { Database } from "../src/database.js";
import type { DecisionOperation } from "../src/decision.js";
import type { KeyChange, KeyDifference } from "../src/watch.js";
import { rejectsWith } from "./rejections.js";

const text = (bytes: Uint8Array | undefined): string | undefined =>
  bytes === undefined ? undefined : Buffer.from(bytes).toString("utf8");

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

/** "put a=1@5" */
function told({ kind, key, revision, record }: KeyChange): string {
  const value = record === undefined ? "" : `=${text(record.value) ?? ""}`;
  return `${kind} ${text(key) ?? ""}${value}@${revision}`;
}

function toldDifference({ key, before, after }: KeyDifference): string {
  return `${text(key) ?? ""}: ${text(before?.value) ?? "-"} > ${text(after?.value) ?? "-"}`;
}

export function describeHistory(db: () => Database): void {
  describe("versions", () => {
    it("a key counts its changes, and begins anew after it was deleted", async () => {
      const first = (await db().put("v", "1")).revision;
      const second = (await db().put("v", "2")).revision;
      assert.equal(second, first + 1);
      const record = await db().get("v");
      assert.deepEqual(
        [record?.createRevision, record?.modRevision, record?.version],
        [first, second, 2],
      );
      await db().delete("v");
      const again = (await db().put("v", "3")).revision;
      const reborn = await db().get("v");
      assert.deepEqual([reborn?.createRevision, reborn?.version], [again, 1]);
    });

    it("what changes nothing leaves the revision", async () => {
      const { current } = await db().revisions();
      await db().delete("absent");
      await db().deleteRange({ prefix: "absent/" });
      assert.equal((await db().revisions()).current, current);
    });
  });

  describe("conditions", () => {
    it("putIfAbsent sets a key once, and tells what is there the second time", async () => {
      const first = await db().putIfAbsent("c", "mine");
      assert.ok(first.applied);
      const second = await db().putIfAbsent("c", "theirs");
      assert.ok(!second.applied);
      assert.equal(text(second.current?.value), "mine");
      assert.equal(second.current?.modRevision, first.revision);
    });

    it("putIf and deleteIf need the revision that they name", async () => {
      const { revision } = await db().put("c", "1");
      assert.deepEqual((await db().putIf("c", "2", revision + 7)).applied, false);
      const put = await db().putIf("c", "2", revision);
      assert.ok(put.applied);
      const late = await db().deleteIf("c", revision);
      assert.ok(!late.applied);
      assert.equal(late.current?.modRevision, put.revision);
      assert.ok((await db().deleteIf("c", put.revision)).applied);
      assert.equal(await db().get("c"), undefined);
      const absent = await db().deleteIf("c", put.revision);
      assert.ok(!absent.applied);
      assert.equal(absent.current, undefined);
    });

    it("a revision that is no number is refused before anything is sent", async () => {
      for (const revision of [-1, 1.5, NaN, "3" as unknown as number])
        await rejectsWith(db().putIf("c", "1", revision), "INVALID_ARGUMENT");
    });

    it("a decision does one branch or the other, in one revision", async () => {
      const { revision } = await db().put("d/a", "1");
      const then: readonly DecisionOperation[] = [
        { kind: "put", key: "d/b", value: "2" },
        { kind: "get", key: "d/b" },
        { kind: "list", range: { prefix: "d/" } },
        { kind: "deleteRange", range: { prefix: "d/" } },
      ];
      const decision = {
        when: [{ target: "version", relation: "=", key: "d/a", number: 1 }],
        then,
        otherwise: [{ kind: "get", key: "d/a" }],
      } as const;
      const done = await db().decide(decision);
      assert.ok(done.succeeded);
      assert.equal(done.revision, revision + 1);
      assert.equal(text(done.results[1]?.previous?.value), "2");
      assert.deepEqual(
        done.results[2]?.records.map(({ key }) => text(key)),
        ["d/a", "d/b"],
      );
      assert.equal(done.results[3]?.deleted, 2);
      const again = await db().decide(decision);
      assert.deepEqual([again.succeeded, again.revision], [false, done.revision]);
      assert.equal(again.results.length, 1);
    });

    it("a decision without an alternative does nothing when its conditions fail", async () => {
      const result = await db().decide({
        when: [{ target: "value", relation: "!=", key: "absent", value: "x" }],
        then: [{ kind: "put", key: "d", value: "1" }],
      });
      assert.deepEqual([result.succeeded, result.results.length], [false, 0]);
      assert.equal(await db().get("d"), undefined);
    });

    it("a decision of no conditions, or an empty branch, is refused", async () => {
      const then = [{ kind: "put", key: "d", value: "1" }] as const;
      const when = [{ target: "version", relation: "=", key: "d", number: 0 }] as const;
      await rejectsWith(db().decide({ when: [], then }), "INVALID_ARGUMENT");
      await rejectsWith(db().decide({ when, then: [] }), "INVALID_ARGUMENT");
      await rejectsWith(db().decide({ when, then, otherwise: [] }), "INVALID_ARGUMENT");
      const unknown = [{ ...when[0], relation: "==" as "=" }];
      await rejectsWith(db().decide({ when: unknown, then }), "INVALID_ARGUMENT");
    });
  });

  describePast(db);
}

function describePast(db: () => Database): void {
  describe("the past", () => {
    it("is read at a revision: keys, and lists of one moment", async () => {
      const { revision } = await db().batch([
        { kind: "put", key: "p/a", value: "1" },
        { kind: "put", key: "p/b", value: "1" },
      ]);
      await db().put("p/a", "2");
      await db().delete("p/b");
      assert.equal(text((await db().get("p/a", { revision }))?.value), "1");
      assert.equal(await db().get("p/a", { revision: revision - 1 }), undefined);
      const then = await all(db().list({ prefix: "p/" }, { revision }));
      assert.deepEqual(
        then.map(({ value }) => text(value)),
        ["1", "1"],
      );
      assert.equal((await all(db().list({ prefix: "p/" }))).length, 1);
    });

    it("has bounds, and an error with the numbers beyond them", async () => {
      await db().put("p", "1");
      const { revision } = await db().put("p", "2");
      const future = await rejectsWith(
        db().get("p", { revision: revision + 1 }),
        "REVISION_FUTURE",
      );
      assert.equal(future.revisions?.asked, revision + 1);
      assert.equal(future.revisions.current, revision);
      await db().compact(revision);
      const past = await rejectsWith(
        db().get("p", { revision: revision - 1 }),
        "REVISION_COMPACTED",
      );
      assert.equal(past.revisions?.compacted, revision);
      assert.equal((await db().revisions()).oldest, revision);
      assert.equal(text((await db().get("p", { revision }))?.value), "2");
      await rejectsWith(db().compact(revision), "REVISION_COMPACTED");
      await rejectsWith(db().compact(revision + 100), "REVISION_FUTURE");
    });

    it("of a key is told change by change, either way round", async () => {
      const { revision } = await db().put("h", "1");
      await db().put("h", "2");
      await db().delete("h");
      await db().put("h", "3");
      const expected = [
        `put h=1@${revision}`,
        `put h=2@${revision + 1}`,
        `delete h@${revision + 2}`,
        `put h=3@${revision + 3}`,
      ];
      const oldest = await all(db().history("h", { order: "oldest-first" }));
      assert.deepEqual(oldest.slice(-4).map(told), expected);
      const newest = await all(db().history("h", { limit: 2 }));
      assert.deepEqual(newest.map(told), expected.slice(2).reverse());
      assert.deepEqual(await all(db().history("never")), []);
    });

    it("differs from now by what was changed, and by nothing that came back", async () => {
      const { revision } = await db().batch([
        { kind: "put", key: "x/changed", value: "1" },
        { kind: "put", key: "x/gone", value: "1" },
        { kind: "put", key: "x/kept", value: "1" },
      ]);
      await db().put("x/changed", "2");
      await db().delete("x/gone");
      await db().put("x/new", "1");
      await db().put("x/brief", "1");
      await db().delete("x/brief");
      await db().put("other", "1");
      const { current } = await db().revisions();
      await db().put("x/later", "1");
      const range = { prefix: "x/" };
      const expected = ["x/changed: 1 > 2", "x/gone: 1 > -", "x/new: - > 1"];
      const until = await all(db().diff(range, revision, current));
      assert.deepEqual(until.map(toldDifference), expected);
      const now = await all(db().diff(range, revision));
      assert.deepEqual(now.map(toldDifference), [
        ...expected.slice(0, 2),
        "x/later: - > 1",
        expected[2],
      ]);
      assert.deepEqual(await all(db().diff(range, current, current)), []);
      await rejectsWith(all(db().diff(range, current, revision)), "INVALID_ARGUMENT");
      await rejectsWith(all(db().diff(range, current + 99)), "REVISION_FUTURE");
    });

    it("comes back by new entries, which history shows", async () => {
      const { revision } = await db().batch([
        { kind: "put", key: "r/a", value: "1" },
        { kind: "put", key: "r/b", value: "1" },
      ]);
      await db().put("r/a", "2");
      await db().delete("r/b");
      await db().put("r/c", "1");
      const { current } = await db().revisions();
      const reverted = await db().revert({ prefix: "r/" }, revision);
      assert.deepEqual(reverted, { revision: current + 1, changed: 3 });
      const now = await all(db().list({ prefix: "r/" }));
      assert.deepEqual(
        now.map(({ key, value }) => `${text(key) ?? ""}=${text(value) ?? ""}`),
        ["r/a=1", "r/b=1"],
      );
      const [newest] = await all(db().history("r/c", { limit: 1 }));
      assert.equal(newest?.kind, "delete");
      const nothing = await db().revert({ prefix: "r/" }, reverted.revision);
      assert.deepEqual(nothing, { revision: reverted.revision, changed: 0 });
    });

    it("is found by its time", async () => {
      const { revision } = await db().put("t", "1");
      const [change] = await all(db().history("t", { limit: 1 }));
      assert.ok(change !== undefined);
      assert.ok((await db().revisionAt(change.time)) >= revision);
      await rejectsWith(db().revisionAt(-1), "INVALID_ARGUMENT");
    });

    it("tells what became of a request by its id, and of one that nobody knows", async () => {
      assert.deepEqual(await db().outcome("00".repeat(16)), { kind: "unknown" });
      await rejectsWith(db().outcome("nonsense"), "INVALID_ARGUMENT");
    });
  });
}
