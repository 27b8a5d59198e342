import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { OpenLoop } from "../../bench/load/open-loop.js";
import { OPERATION } from "../../bench/load/operation.js";
import { Random } from "../../bench/load/random.js";
import { Tally } from "../../bench/load/tally.js";

const RATE = 1000;

function loopOf(inFlightMax: number, endMs = 10_000): OpenLoop {
  return new OpenLoop({ rate: RATE, beginMs: 0, endMs, inFlightMax, random: new Random(5) });
}

/** A server on a clock of its own: each request takes `serviceMs`, and nothing is answered in [stallFrom, stallTo). */
function simulate(
  loop: OpenLoop,
  tally: Tally,
  {
    serviceMs,
    stallFrom,
    stallTo,
    endMs,
  }: {
    serviceMs: number;
    stallFrom: number;
    stallTo: number;
    endMs: number;
  },
): number {
  const answers: { atMs: number; dueMs: number }[] = [];
  let sent = 0;
  for (let now = 0; now <= endMs; now += 0.5) {
    for (let [first] = answers; first !== undefined && first.atMs <= now; [first] = answers) {
      tally.nowMs = now;
      tally.finished(OPERATION.put, first.dueMs);
      answers.shift();
    }
    for (;;) {
      const dueMs = loop.take(now, answers.length);
      if (dueMs === undefined) break;
      sent += 1;
      const atMs = now + serviceMs;
      answers.push({ atMs: atMs >= stallFrom && atMs < stallTo ? stallTo : atMs, dueMs });
    }
  }
  tally.nowMs = endMs;
  for (const { dueMs } of answers) tally.gaveUp(OPERATION.put, dueMs, true);
  for (const dueMs of loop.left()) tally.gaveUp(OPERATION.put, dueMs, false);
  return sent;
}

describe("the open loop", () => {
  it("requests are due at random moments of the wanted rate", () => {
    const loop = loopOf(Number.POSITIVE_INFINITY);
    const gaps: number[] = [];
    let before = 0;
    for (const dueMs of loop.left()) {
      gaps.push(dueMs - before);
      before = dueMs;
    }
    const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
    const variance = gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / gaps.length;
    assert.ok(Math.abs(mean - 1) < 0.03, "a thousand a second are a millisecond apart");
    assert.ok(Math.abs(Math.sqrt(variance) - mean) < 0.05, "exponential: as wide as its mean");
  });

  it("nothing is taken before it is due, nor after the end", () => {
    const loop = loopOf(Number.POSITIVE_INFINITY, 100);
    assert.equal(loop.take(0, 0), undefined);
    let taken = 0;
    for (let dueMs = loop.take(500, 0); dueMs !== undefined; dueMs = loop.take(500, 0)) {
      assert.ok(dueMs < 100);
      taken += 1;
    }
    assert.ok(taken > 50);
    assert.equal(loop.dueMs, Number.POSITIVE_INFINITY);
  });

  it("a stall is felt by all that were due in it, sent or not: no coordinated omission", () => {
    for (const inFlightMax of [10, Number.POSITIVE_INFINITY]) {
      const tally = new Tally({ startMs: 0, endMs: 10_000, isOpen: true });
      simulate(loopOf(inFlightMax), tally, {
        serviceMs: 0.5,
        stallFrom: 4000,
        stallTo: 5000,
        endMs: 20_000,
      });
      const latencies = tally.latencies().get("put");
      assert.ok(latencies !== undefined);
      assert.equal(tally.unsent + tally.unanswered, 0);
      // A tenth of the requests was due in the second in which nothing was answered.
      assert.ok(latencies.atPercentile(90) < 50, "nine tenths did not wait");
      assert.ok(latencies.atPercentile(92) > 100 && latencies.atPercentile(99) > 800);
      assert.ok(latencies.atPercentile(100) >= 999);
    }
  });

  it("what is never sent or answered is counted, with the time it has waited", () => {
    const tally = new Tally({ startMs: 0, endMs: 10_000, isOpen: true });
    const sent = simulate(loopOf(100), tally, {
      serviceMs: 1,
      stallFrom: 8000,
      stallTo: 1_000_000,
      endMs: 12_000,
    });
    const all = [...loopOf(100).left()].length;
    assert.equal(tally.unanswered, 100);
    assert.equal(tally.unsent, all - sent);
    assert.equal(tally.count, sent - 100);
    const latencies = tally.latencies().get("put");
    assert.equal(latencies?.count, all, "every request that was due has a latency");
    assert.ok(latencies.atPercentile(100) >= 3900);
  });

  it("only what was due within the measured time counts", () => {
    const tally = new Tally({ startMs: 5000, endMs: 10_000, isOpen: true });
    simulate(loopOf(Number.POSITIVE_INFINITY), tally, {
      serviceMs: 1,
      stallFrom: 0,
      stallTo: 0,
      endMs: 12_000,
    });
    const due = [...loopOf(1).left()].filter((dueMs) => dueMs >= 5000);
    assert.equal(tally.count, due.length);
  });
});

describe("the longest gap", () => {
  const cases: readonly { answers: readonly number[]; want: number }[] = [
    { answers: [], want: 100 },
    { answers: [10, 20, 90], want: 70 },
    { answers: [5, 30], want: 70 },
    { answers: [80, 150], want: 80 },
    { answers: [-20, 10, 50, 99, 130], want: 49 },
  ];
  for (const { answers, want } of cases) {
    it(`of good answers at ${answers.join(", ") || "no time"} from 0 to 100 is ${want}`, () => {
      const tally = new Tally({ startMs: 0, endMs: 100, isOpen: true });
      for (const nowMs of answers) {
        tally.nowMs = nowMs;
        tally.finished(OPERATION.put, 0);
      }
      assert.equal(tally.gapMaxMs, want);
    });
  }
});

describe("the closed loop's tally", () => {
  const cases: readonly { beganMs: number; nowMs: number; counts: boolean }[] = [
    { beganMs: 9, nowMs: 12, counts: false },
    { beganMs: 10, nowMs: 12, counts: true },
    { beganMs: 10, nowMs: 20, counts: true },
    { beganMs: 19, nowMs: 21, counts: false },
  ];
  for (const { beganMs, nowMs, counts } of cases) {
    it(`asked at ${beganMs} and answered at ${nowMs} is ${counts ? "" : "not "}of the time from 10 to 20`, () => {
      const tally = new Tally({ startMs: 10, endMs: 20, isOpen: false });
      tally.nowMs = nowMs;
      tally.finished(OPERATION.get, beganMs);
      assert.equal(tally.count, counts ? 1 : 0);
    });
  }
});
