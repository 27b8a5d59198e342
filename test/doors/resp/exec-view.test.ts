import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { BetweenView, FoundView } from "../../../src/doors/resp/exec-view.js";
import type { KeyCommand } from "../../../src/store/command.js";
import { Store } from "../../../src/store/store.js";
import { randomSource } from "./redis-server.js";
import type { Random } from "./redis-server.js";

const NO_ID = new Uint8Array(0);
const EMPTY = Buffer.alloc(0);
const KEYS = ["a", "b", "bb", "c", "d", "n"].map((text) => Buffer.from(text));
const TIME = 1_700_000_000_000;

function randomCommand(random: Random): KeyCommand {
  const key = KEYS[random(KEYS.length)] ?? EMPTY;
  const value = Buffer.from(String(random(100)));
  switch (random(9)) {
    case 0:
      return { kind: "delete", key };
    case 1:
      return { kind: "increment", key, by: 1n };
    case 2:
      return { kind: "append", key, value };
    case 3:
      return { kind: "setExpiry", key, expiry: { kind: "ttl", ttl: 1 + random(5000) } };
    case 4:
      return { kind: "setExpiry", key, expiry: { kind: "until", time: 1 } };
    case 5:
      return random(4) === 0
        ? { kind: "deleteRange", key: EMPTY, end: EMPTY }
        : { kind: "get", key };
    case 6:
      return { kind: "put", key, value, condition: random(2) === 0 ? "absent" : "present" };
    default:
      return { kind: "put", key, value, condition: "none" };
  }
}

function randomCommands(random: Random): KeyCommand[] {
  return Array.from({ length: 1 + random(8) }, () => randomCommand(random));
}

/** What there is, as text. */
function contents(view: Pick<BetweenView, "get" | "size">): string {
  const found = KEYS.map((key) => `${key.toString()}=${text(view.get(key)?.value)}`);
  return `${view.size}: ${found.join(" ")}`;
}

function text(bytes: Uint8Array | undefined): string {
  return bytes === undefined ? "-" : Buffer.from(bytes).toString();
}

describe("a view between the commands of a transaction", () => {
  it("is what a store holds that ran them one by one, in 500 histories", () => {
    for (let seed = 1; seed <= 500; seed++) {
      const random = randomSource(seed);
      const apply = (store: Store, commands: readonly KeyCommand[]): ReturnType<Store["apply"]> =>
        store.apply({ id: NO_ID, commands, mode: "each" }, TIME);
      const [whole, step] = [new Store(), new Store()];
      for (let i = random(6); i > 0; i--) {
        const commands = randomCommands(random);
        for (const store of [whole, step]) apply(store, commands);
      }
      const before = whole.revision;
      const commands = randomCommands(random);
      const result = apply(whole, commands);
      assert.ok(result.kind === "applied");
      for (let i = random(4); i > 0; i--) apply(whole, randomCommands(random));

      const view = new BetweenView(whole, before);
      for (const [i, command] of commands.entries()) {
        assert.equal(contents(view), contents(step), `seed ${seed}, before command ${i}`);
        view.note([command], result.results.slice(i, i + 1));
        apply(step, [command]);
        const countMax = 1 + random(4);
        const from = KEYS[random(KEYS.length)] ?? EMPTY;
        for (const end of [EMPTY, Buffer.from("c")]) {
          const got = view.range(from, end, countMax);
          const want = step.range(from, end, countMax, Number.MAX_SAFE_INTEGER);
          const texts = (page: typeof got): string[] =>
            page.keyValues.map((each) => text(each.key));
          assert.deepEqual(texts(got), texts(want), `seed ${seed}, after command ${i}`);
          // It may say that more follows where what follows was deleted, but never the other way.
          assert.ok(got.more || !want.more, `seed ${seed}, after command ${i}`);
        }
      }
      assert.equal(contents(view), contents(step), `seed ${seed}, at the end`);
    }
  });

  it("tells what is left of a key's time, and 0 when that was taken away since", () => {
    const store = new Store();
    const put = (key: string): KeyCommand => ({
      kind: "put",
      key: Buffer.from(key),
      value: EMPTY,
      condition: "none",
      expiry: { kind: "ttl", ttl: 5000 },
    });
    store.apply({ id: NO_ID, commands: [put("a"), put("b")] }, TIME);
    const view = new BetweenView(store, store.revision);
    store.apply({ id: NO_ID, commands: [{ kind: "delete", key: Buffer.from("b") }] }, TIME);
    assert.equal(view.remainingOf(Buffer.from("a"), TIME + 1000), 4000);
    assert.equal(view.remainingOf(Buffer.from("b"), TIME + 1000), 0);
    assert.equal(view.remainingOf(Buffer.from("c"), TIME + 1000), undefined);
  });
});

describe("a view of what a request has found", () => {
  it("holds the keys that were there, and what was left of their time", () => {
    const store = new Store();
    const [a, b] = [Buffer.from("a"), Buffer.from("b")];
    const expiry = { kind: "ttl", ttl: 5000 } as const;
    const puts = [a, b].map((key) => ({
      kind: "put" as const,
      key,
      value: key,
      condition: "none" as const,
    }));
    store.apply({ id: NO_ID, commands: puts }, TIME);
    const commands: KeyCommand[] = [
      { kind: "setExpiry", key: a, expiry },
      ...[a, b, Buffer.from("c")].map((key) => ({ kind: "get" as const, key })),
      { kind: "delete", key: a },
    ];
    const result = store.apply({ id: NO_ID, commands, mode: "each" }, TIME + 1000);
    assert.ok(result.kind === "applied");
    const view = new FoundView(result.results.slice(1, 4));
    assert.equal(text(view.get(a)?.value), "a");
    assert.equal(view.remainingOf(a), 5000);
    assert.equal(text(view.get(b)?.value), "b");
    assert.equal(view.remainingOf(b), undefined);
    assert.equal(view.get(Buffer.from("c")), undefined);
  });
});
