/** Shrinking, tried on a world that breaks a promise because it is told to. */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import sinon from "sinon";
import { Store } from "../../src/store/store.js";
import { replayCommand, shrink, simulate } from "../../src/simulation/index.js";

describe("a failing life", function () {
  this.timeout(1_800_000);

  /** Deletions are forgotten while `work` runs. */
  function withBug<T>(work: () => T): T {
    const stub = sinon.stub(Store.prototype, "apply");
    stub.callsFake(function (this: Store, request, time) {
      const commands = request.commands.map((command) =>
        command.kind === "delete" ? { ...command, key: Uint8Array.of(0) } : command,
      );
      return stub.wrappedMethod.call(this, { ...request, commands }, time);
    });
    try {
      return work();
    } finally {
      stub.restore();
    }
  }

  it("is shrunk to a quieter one that fails in the same way, and says how to replay it", () => {
    const options = { seed: 1 };
    assert.equal(simulate(options).failure, undefined);
    withBug(() => {
      const first = simulate(options);
      // Whoever sees it first.
      const found = /^Error: (linearizability|resp): /.exec(first.failure?.message ?? "");
      assert.ok(found !== null, first.failure?.message);
      const { options: shrunk, result } = shrink(options, 60);
      assert.ok(result.failure?.message.startsWith(found[0]), result.failure?.message);
      assert.ok((shrunk.durationMs ?? 5000) < 2500, `${shrunk.durationMs} ms under faults`);
      assert.ok(result.simulatedMs < first.simulatedMs, `${result.simulatedMs} ms`);
      assert.ok(result.deeds.length <= first.deeds.length / 2, `${result.deeds.length} deeds left`);
      assert.equal(simulate(shrunk).traceHash, result.traceHash, "it is the same life again");
      assert.match(replayCommand(shrunk), /^npm run simulate -- --from 1 --seeds 1 /);
    });
  });

  it("is reported though the second life from its seed has no fault", () => {
    const options = { seed: 5 };
    const stub = sinon.stub(Store.prototype, "apply");
    let applied = 0;
    stub.callsFake(function (this: Store, request, time) {
      applied += 1;
      if (applied === 100) throw new Error("shows once in a process");
      return stub.wrappedMethod.call(this, request, time);
    });
    try {
      const { failure } = simulate(options);
      assert.match(
        failure?.message ?? "none",
        /^Error: shows once in a process\n.*not give the same life twice; .*: nothing is broken$/,
      );
    } finally {
      stub.restore();
    }
  });

  it("is replayed with all that it was told to have", () => {
    const options = {
      seed: 5,
      nodeCount: 4,
      durationMs: 70,
      leftOut: ["d1", "network"],
      clientCountMax: 1,
    };
    assert.equal(
      replayCommand({ ...options, emphasis: ["resp", "dense"] }),
      "npm run simulate -- --from 5 --seeds 1 --nodes 4 --duration 70 --clients 1 --without d1,network --with resp,dense",
    );
  });
});
