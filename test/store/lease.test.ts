import assert from "node:assert/strict";
import { describe, it } from "mocha";
import type { Expiry, KeyCommand, RequestResult } from "../../src/store/command.js";
import { CHECKPOINT_INTERVAL, STEP_MAX } from "../../src/store/log-clock.js";
import { Store } from "../../src/store/store.js";
import { append, bytes, increment, put, request, text } from "./requests.js";
import { restored, rowsOf } from "./whole-state.js";

const START = 1_000_000;

/** A store with its leader: what is due is proposed every 50 ms. */
class Led {
  store = new Store();
  time = START;
  proposedCount = 0;

  does(...commands: Parameters<typeof request>): RequestResult {
    return this.store.apply(request(...commands), this.time);
  }

  /** @param jump how far another leader's clock is from this one's */
  pass(ms: number, jump = 0): void {
    this.time += jump;
    for (const end = this.time + ms; this.time < end;) {
      this.time = Math.min(this.time + 50, end);
      // As the driver asks.
      const due = this.store.mayBeDue(this.time) ? this.store.dueRequest(this.time) : undefined;
      if (due === undefined) continue;
      this.proposedCount += 1;
      this.store.apply(due, this.time);
    }
  }

  has(key: string): boolean {
    return this.store.get(bytes(key)) !== undefined;
  }

  remaining(key: string): number | undefined {
    return this.store.remainingOf(bytes(key), this.time);
  }
}

function expiring(key: string, expiry: Expiry, value = "v"): KeyCommand {
  return { kind: "put", key: bytes(key), value: bytes(value), condition: "none", expiry };
}

function outcome(result: RequestResult): string {
  return result.kind === "applied" ? "applied" : result.reason;
}

describe("a lease", () => {
  it("ends after its time with all its keys, in one revision", () => {
    const led = new Led();
    led.does({ kind: "grantLease", lease: 5, ttl: 10_000 });
    led.does(
      expiring("b", { kind: "lease", lease: 5 }),
      expiring("a", { kind: "lease", lease: 5 }),
    );
    led.pass(9_900);
    assert.ok(led.has("a"));
    const { revision } = led.store;
    led.pass(100);
    assert.ok(!led.has("a"));
    assert.ok(!led.has("b"));
    assert.equal(led.store.revision, revision + 1);
    assert.deepEqual(
      led.store
        .changesSince(revision + 1, { countMax: 9, sizeMax: 999 })
        .changes.map(({ kind, key }) => `${kind} ${text(key) ?? ""}`),
      ["delete a", "delete b"],
    );
    assert.equal(led.store.lease(5, led.time), undefined);
  });

  it("lives on while it is kept alive", () => {
    const led = new Led();
    led.does({ kind: "grantLease", lease: 5, ttl: 3_000 });
    led.does(expiring("k", { kind: "lease", lease: 5 }));
    for (let i = 0; i < 10; i++) {
      led.pass(2_000);
      assert.equal(outcome(led.does({ kind: "keepLease", lease: 5 })), "applied");
    }
    assert.ok(led.has("k"));
    led.pass(3_000);
    assert.ok(!led.has("k"));
    assert.equal(outcome(led.does({ kind: "keepLease", lease: 5 })), "lease-not-found");
  });

  it("is shown with what is left of it, and its keys; a list shows the granted ones", () => {
    const led = new Led();
    led.does({ kind: "grantLease", lease: 0, ttl: 5_000 });
    led.does({ kind: "grantLease", lease: 9, ttl: 8_000 });
    led.does(expiring("k", { kind: "lease", lease: 9 }), expiring("own", { kind: "ttl", ttl: 99 }));
    assert.deepEqual(led.store.leases(), [1, 9]);
    const lease = led.store.lease(9, led.time + 1_000);
    assert.equal(lease?.ttl, 8_000);
    assert.equal(lease.remaining, 7_000);
    assert.deepEqual(lease.keys.map(text), ["k"]);
  });

  it("is granted once, and picks no number that is taken", () => {
    const led = new Led();
    led.does({ kind: "grantLease", lease: 1, ttl: 5_000 });
    assert.equal(outcome(led.does({ kind: "grantLease", lease: 1, ttl: 1 })), "lease-exists");
    const picked = led.does({ kind: "grantLease", lease: 0, ttl: 5_000 });
    assert.ok(picked.kind === "applied" && picked.results[0]?.detail?.kind === "lease");
    assert.equal(picked.results[0].detail.lease, 2);
  });

  it("is revoked with its keys; a key that was put again without it stays", () => {
    const led = new Led();
    led.does({ kind: "grantLease", lease: 5, ttl: 10_000 });
    led.does(expiring("gone", { kind: "lease", lease: 5 }));
    led.does(expiring("stays", { kind: "lease", lease: 5 }));
    led.does(put("stays", "v"));
    const result = led.does({ kind: "revokeLease", lease: 5 });
    assert.equal(result.kind === "applied" && result.results[0]?.deletedCount, 1);
    assert.ok(!led.has("gone"));
    assert.ok(led.has("stays"));
  });

  it("that is not there refuses the put, and the whole request", () => {
    const led = new Led();
    const result = led.does(put("a", "v"), expiring("b", { kind: "lease", lease: 5 }));
    assert.equal(outcome(result), "lease-not-found");
    assert.equal(led.store.size, 0);
  });

  it("leaves a fencing token that never repeats: createRevision", () => {
    const led = new Led();
    const tokens = [1, 2, 3].map((lease) => {
      led.does({ kind: "grantLease", lease, ttl: 1_000 });
      led.does(expiring("lock", { kind: "lease", lease }));
      const token = led.store.get(bytes("lock"))?.createRevision ?? 0;
      led.pass(1_000);
      assert.ok(!led.has("lock"));
      return token;
    });
    assert.equal(new Set(tokens).size, 3);
    assert.deepEqual(
      tokens,
      tokens.toSorted((a, b) => a - b),
    );
  });
});

describe("a key's time to live", () => {
  const cases: readonly {
    readonly title: string;
    readonly then: KeyCommand;
    readonly left: number | undefined;
  }[] = [
    { title: "is cleared by a put", then: put("k", "2") as KeyCommand, left: undefined },
    { title: "is kept by a put that keeps it", then: expiring("k", { kind: "keep" }), left: 8_000 },
    {
      title: "is kept by an increment",
      then: increment("k", 1n) as KeyCommand,
      left: 8_000,
    },
    { title: "is kept by an append", then: append("k", "0") as KeyCommand, left: 8_000 },
    {
      title: "is replaced",
      then: { kind: "setExpiry", key: bytes("k"), expiry: { kind: "ttl", ttl: 500 } },
      left: 500,
    },
    {
      title: "is set to a moment",
      then: { kind: "setExpiry", key: bytes("k"), expiry: { kind: "until", time: START + 5_000 } },
      left: 3_000,
    },
    { title: "is taken away", then: { kind: "setExpiry", key: bytes("k") }, left: undefined },
  ];
  for (const { title, then, left } of cases) {
    it(title, () => {
      const led = new Led();
      led.does(expiring("k", { kind: "ttl", ttl: 10_000 }, "1"));
      led.pass(2_000);
      led.does(then);
      assert.equal(led.remaining("k"), left);
      led.pass(left ?? 60_000);
      assert.equal(led.has("k"), left === undefined);
      assert.equal(led.store.dueRequest(led.time + 99_999), undefined);
    });
  }

  it("that ends at a moment of the past deletes the key at once", () => {
    const led = new Led();
    led.does(put("k", "v"));
    const past = { kind: "until" as const, time: START - 1 };
    const result = led.does({ kind: "setExpiry", key: bytes("k"), expiry: past });
    assert.equal(result.kind === "applied" && result.results[0]?.deletedCount, 1);
    led.does(expiring("k", past));
    led.pass(50);
    assert.ok(!led.has("k"));
  });

  it("is told by a get between other commands, with what is left of it", () => {
    const led = new Led();
    led.does(expiring("k", { kind: "ttl", ttl: 5_000 }), put("plain", "v"));
    led.pass(1_000);
    const get = (key: string): KeyCommand => ({ kind: "get", key: bytes(key) });
    const result = led.does(
      get("k"),
      get("plain"),
      get("none"),
      { kind: "setExpiry", key: bytes("k"), expiry: { kind: "ttl", ttl: 9_000 } },
      get("k"),
      { kind: "setExpiry", key: bytes("k") },
      get("k"),
    );
    assert.ok(result.kind === "applied");
    const left = result.results.map(({ detail }) =>
      detail?.kind === "lease" ? detail.remaining : undefined,
    );
    assert.deepEqual(left, [4_000, undefined, undefined, undefined, 9_000, undefined, undefined]);
  });

  it("of an absent key is nothing", () => {
    const led = new Led();
    led.does({ kind: "setExpiry", key: bytes("k"), expiry: { kind: "ttl", ttl: 5 } });
    assert.equal(led.store.revision, 1);
    assert.equal(led.store.nextDueTime, undefined);
  });

  it("goes with what is taken back", () => {
    const led = new Led();
    led.does(put("k", "text"));
    led.does(expiring("t", { kind: "ttl", ttl: 5 }), increment("k", 1n));
    assert.equal(led.store.nextDueTime, undefined);
    assert.equal(rowsOf(led.store).filter(({ kind }) => kind === "lease").length, 0);
  });
});

describe("the time that deadlines are counted in", () => {
  const jumps: readonly {
    readonly title: string;
    readonly jump: number;
    readonly extra: number;
  }[] = [
    { title: "an hour ahead", jump: 3_600_000, extra: -STEP_MAX },
    { title: "an hour behind", jump: -3_600_000, extra: CHECKPOINT_INTERVAL },
    { title: "a second behind", jump: -1000, extra: CHECKPOINT_INTERVAL },
    { title: "of the same time", jump: 0, extra: 0 },
  ];
  for (const { title, jump, extra } of jumps) {
    it(`goes on under a leader whose clock is ${title}`, () => {
      const led = new Led();
      led.does(expiring("k", { kind: "ttl", ttl: 60_000 }));
      led.pass(20_000);
      led.store = restored(rowsOf(led.store), new Store());
      led.pass(0, jump);
      const lived = (): number => {
        let ms = 0;
        for (; led.has("k"); ms += 100) led.pass(100);
        return 20_000 + ms;
      };
      const total = lived();
      const bounds = [60_000, 60_000 + extra].sort((a, b) => a - b);
      assert.ok(total >= (bounds[0] ?? 0), `${total}`);
      assert.ok(total <= (bounds[1] ?? 0) + 200, `${total}`);
    });
  }

  it("stands still while nobody leads: an outage ends no lease early", () => {
    const led = new Led();
    led.does(expiring("k", { kind: "ttl", ttl: 60_000 }));
    led.time += 3_600_000;
    led.pass(40_000);
    assert.ok(led.has("k"));
    led.pass(20_000);
    assert.ok(!led.has("k"));
  });

  it("has a checkpoint in the log while something has a deadline, and only then", () => {
    const led = new Led();
    led.pass(60_000);
    assert.equal(led.proposedCount, 0);
    led.does({ kind: "grantLease", lease: 1, ttl: 600_000 });
    led.pass(60_000);
    assert.equal(led.proposedCount, 60_000 / CHECKPOINT_INTERVAL);
    assert.equal(led.store.nextDueTime, led.time + CHECKPOINT_INTERVAL);
    led.does({ kind: "revokeLease", lease: 1 });
    assert.equal(led.store.nextDueTime, undefined);
    assert.equal(led.store.dueRequest(led.time + 99_999), undefined);
  });

  it("says when it has to be asked again", () => {
    const led = new Led();
    led.does(expiring("k", { kind: "ttl", ttl: 700 }));
    const next = led.store.nextDueTime;
    assert.equal(next, START + 700);
    assert.equal(led.store.dueRequest(next - 1), undefined);
    assert.deepEqual(led.store.dueRequest(next)?.commands, [{ kind: "expire" }]);
  });
});
