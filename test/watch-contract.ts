/** The contract of watches: etcd's six guarantees, and what they are worth when things go wrong. */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import type { Database } from "../src/database.js";
import type { WatchEvent, WatchOptions } from "../src/watch.js";
import { codecs } from "../src/value-codecs.js";
import { rejectsWith } from "./rejections.js";

const text = (bytes: Uint8Array | undefined): string =>
  bytes === undefined ? "-" : Buffer.from(bytes).toString("utf8");

/** "7: put w/a=1, delete w/b" */
function told(event: WatchEvent): string {
  if (event.kind !== "changes") return event.kind;
  const changes = event.changes.map(({ kind, key, record }) =>
    record === undefined ? `${kind} ${text(key)}` : `${kind} ${text(key)}=${text(record.value)}`,
  );
  return `${event.revision}: ${changes.join(", ")}`;
}

async function take(events: AsyncIterable<WatchEvent>, count: number): Promise<WatchEvent[]> {
  const taken: WatchEvent[] = [];
  if (count === 0) return taken;
  for await (const event of events) {
    taken.push(event);
    if (taken.length === count) break;
  }
  return taken;
}

export function describeWatches(db: () => Database): void {
  const watch = (options?: WatchOptions): AsyncIterableIterator<WatchEvent, void, undefined> =>
    db().watch({ prefix: "w/" }, options);

  describe("watches", () => {
    it("ordered, unique, reliable: every change of the range once, in the order of revisions", async () => {
      const { current } = await db().revisions();
      const taking = take(watch({ from: current + 1 }), 51);
      const puts: Promise<unknown>[] = [];
      for (let i = 0; i < 50; i += 1) puts.push(db().put(`w/${i}`, String(i)));
      for (let i = 0; i < 50; i += 1) puts.push(db().put(`other/${i}`, String(i)));
      await Promise.all(puts);
      const changes = (await taking).filter((event) => event.kind === "changes");
      const revisions = changes.map(({ revision }) => revision);
      assert.deepEqual(
        revisions,
        revisions.toSorted((a, b) => a - b),
      );
      assert.equal(new Set(revisions).size, 50);
      const keys = changes.flatMap((event) => event.changes.map(({ key }) => text(key)));
      assert.deepEqual(keys.toSorted(), Array.from({ length: 50 }, (_, i) => `w/${i}`).toSorted());
    });

    it("atomic: the changes of one request come together", async () => {
      await db().put("w/c", "0");
      const { revision } = await db().batch([
        { kind: "put", key: "w/a", value: "1" },
        { kind: "put", key: "other", value: "1" },
        { kind: "put", key: "w/b", value: "1" },
        { kind: "delete", key: "w/c" },
      ]);
      const [event] = await take(watch({ from: revision }), 1);
      assert.ok(event !== undefined);
      assert.equal(told(event), `${revision}: put w/a=1, put w/b=1, delete w/c`);
    });

    it("resumable: taken up behind any event, nothing is missed and nothing told twice", async () => {
      const { revision } = await db().put("w/a", "0");
      for (let i = 1; i < 10; i += 1) await db().put("w/a", String(i));
      const whole = (await take(watch({ from: revision }), 10)).map(told);
      const pieced: string[] = [];
      let from = revision;
      while (pieced.length < 10) {
        const events = await take(watch({ from }), Math.min(3, 10 - pieced.length));
        pieced.push(...events.map(told));
        from = (events.at(-1)?.revision ?? 0) + 1;
      }
      assert.deepEqual(pieced, whole);
    });

    it("says once that it has caught up, and at which revision", async () => {
      const { revision } = await db().put("w/a", "1");
      const [first, second] = await take(watch({ from: revision }), 2);
      assert.equal(first?.kind, "changes");
      assert.deepEqual(second, { kind: "caughtUp", revision });
    });

    it("tells the next change when no revision is named, and the value before it on request", async () => {
      await db().put("w/a", "old");
      const events = watch({ previous: true });
      const caughtUp = await events.next();
      assert.equal(caughtUp.value?.kind, "caughtUp");
      const next = events.next();
      await db().put("w/a", "new");
      const event = (await next).value;
      assert.ok(event?.kind === "changes");
      const [change] = event.changes;
      assert.deepEqual(
        [text(change?.previous?.value), text(change?.record?.value)],
        ["old", "new"],
      );
      await events.return?.();
      const [without] = await take(watch({ from: event.revision }), 1);
      assert.ok(without?.kind === "changes");
      assert.equal(without.changes[0]?.previous, undefined);
    });

    it("bookmarkable: tells how far it has come when nothing of its range changes", async () => {
      const events = watch({ progressMs: 20 });
      const caughtUp = await events.next();
      assert.equal(caughtUp.value?.kind, "caughtUp");
      const { revision } = await db().put("other", "1");
      let event = (await events.next()).value;
      // What was on its way may be older; the next one is not.
      while (event !== undefined && event.revision < revision) event = (await events.next()).value;
      assert.deepEqual(event, { kind: "progress", revision });
      await events.return?.();
    });

    it("of one key tells nothing of its neighbours", async () => {
      const { revision } = await db().put("w/a", "1");
      await db().put("w/ab", "1");
      await db().put("w/a", "2");
      const events = db().watch({ from: "w/a", to: "w/a\0" }, { from: revision });
      assert.deepEqual((await take(events, 2)).map(told), [
        `${revision}: put w/a=1`,
        `${revision + 2}: put w/a=2`,
      ]);
    });

    it("from a revision that has not come is refused, with both numbers", async () => {
      const { current } = await db().revisions();
      const error = await rejectsWith(take(watch({ from: current + 2 }), 1), "REVISION_FUTURE");
      assert.equal(error.revisions?.current, current);
      // The next one is not the future: it is where a watch begins.
      const [event] = await take(watch({ from: current + 1 }), 1);
      assert.deepEqual(event, { kind: "caughtUp", revision: current });
    });

    it("from a revision that is compacted is refused, with both numbers", async () => {
      await db().put("w/a", "1");
      const { revision } = await db().put("w/a", "2");
      await db().compact(revision);
      const error = await rejectsWith(take(watch({ from: revision }), 1), "REVISION_COMPACTED");
      assert.equal(error.revisions?.compacted, revision);
      assert.equal(error.revisions.current, revision);
    });

    it("that is slower than compaction is told so, not silent, and can be taken up again", async () => {
      const { revision } = await db().put("w/a", "1");
      const events = watch({ from: revision });
      assert.equal((await events.next()).value?.kind, "changes");
      assert.equal((await events.next()).value?.kind, "caughtUp");
      const compacted: (number | undefined)[] = [];
      let next = Promise.resolve<unknown>(undefined);
      let isTold = true;
      while (isTold) {
        await db().put("w/a", "2");
        const last = await db().put("w/a", "3");
        await db().compact(last.revision);
        compacted.push(last.revision);
        // A follower that is behind may tell once more what is compacted elsewhere: no event is lost yet.
        next = events.next();
        isTold = await next.then(
          () => true,
          () => false,
        );
      }
      const error = await rejectsWith(next, "REVISION_COMPACTED");
      assert.ok(compacted.includes(error.revisions?.compacted), error.message);
      const revisionNow = compacted.at(-1) ?? 0;
      const [event] = await take(watch({ from: revisionNow + 1 }), 1);
      assert.deepEqual(event, { kind: "caughtUp", revision: revisionNow });
    });

    it("ends at once by its signal", async () => {
      const controller = new AbortController();
      const events = watch({ signal: controller.signal });
      await events.next();
      const next = events.next();
      controller.abort(new Error("enough"));
      await rejectsWith(Promise.resolve(next), "ABORTED");
      assert.equal((await events.next()).done, true);
    });

    it("ends at once when it is left while it waits, and so does one of a keyspace", async () => {
      for (const events of [watch(), db().keyspace("w/", { value: codecs.text }).watch()]) {
        await events.next();
        const next = events.next();
        assert.deepEqual(await events.return?.(), { done: true, value: undefined });
        assert.equal((await next).done, true);
        assert.equal((await events.next()).done, true);
      }
    });

    it("a hundred of them are all told", async () => {
      const watches = Array.from({ length: 100 }, () => watch());
      await Promise.all(watches.map((events) => events.next()));
      const next = watches.map((events) => events.next());
      const { revision } = await db().put("w/a", "1");
      for (const { value } of await Promise.all(next)) assert.equal(value?.revision, revision);
      for (const events of watches) await events.return?.();
    });
  });
}
