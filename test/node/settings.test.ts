/** What a node is told is checked before anything is opened. */
import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { DatabaseError } from "../../src/errors.js";
import { checkSettings, type NodeSettings } from "../../src/node/settings.js";
import { open } from "../../src/open.js";
import { DEFAULT_LIMITS } from "../../src/store/command.js";

const MIB = 1024 * 1024;

const BASE: NodeSettings = {
  id: "n1",
  peerAddress: "h:1",
  clientAddress: "h:2",
  cluster: new Map([["n1", "h:1"]]),
  dataDirectory: "unused",
};

function limits(more: Partial<NonNullable<NodeSettings["limits"]>>): Partial<NodeSettings> {
  return { limits: { ...DEFAULT_LIMITS, ...more } };
}

/** As a caller without types may write it. */
function untyped(given: unknown): Partial<NodeSettings> {
  return given as Partial<NodeSettings>;
}

/** How a setting is shown: JSON knows neither NaN nor Infinity. */
function shown(given: Partial<NodeSettings>): string {
  return JSON.stringify(given, (_, value: unknown) =>
    typeof value === "number" ? String(value) : value,
  );
}

describe("settings", () => {
  const wrong: readonly { readonly given: Partial<NodeSettings>; readonly says: RegExp }[] = [
    ...[0, -1, 0.5, NaN, Infinity, 2 ** 53].flatMap((number) => [
      { given: { snapshotEntries: number }, says: /^snapshotEntries is .*: a whole number from 1/ },
      { given: { snapshotBytes: number }, says: /^snapshotBytes is .*: a whole number from 1/ },
      { given: { segmentSizeBytes: number }, says: /^segmentSizeBytes is .* from 4096 to/ },
      { given: limits({ keySizeMax: number }), says: /^limits.keySizeMax is .* to 8192$/ },
      { given: limits({ valueSizeMax: number }), says: /^limits.valueSizeMax is .* to 1048576$/ },
      { given: limits({ requestSizeMax: number }), says: /^limits.requestSizeMax is .* 4194304$/ },
    ]),
    { given: { segmentSizeBytes: 4095 }, says: /^segmentSizeBytes is 4095/ },
    { given: { segmentSizeBytes: 1024 * MIB + 1 }, says: /^segmentSizeBytes is 1073741825/ },
    { given: limits({ keySizeMax: 8193 }), says: /^limits.keySizeMax is 8193/ },
    { given: limits({ valueSizeMax: MIB + 1 }), says: /^limits.valueSizeMax is 1048577/ },
    { given: limits({ requestSizeMax: 4 * MIB + 1 }), says: /^limits.requestSizeMax is 4194305/ },
    { given: { electionTimeoutMs: Infinity }, says: /Infinity ms.*at most 3600000 ms/ },
    { given: { electionTimeoutMs: 3_600_001 }, says: /3600001 ms.*at most 3600000 ms/ },
    { given: { electionTimeoutMs: NaN }, says: /NaN ms/ },
    { given: { heartbeatMs: NaN }, says: /NaN ms/ },
    ...[-1, 0.5, NaN, Infinity].flatMap((number) => [
      {
        given: { retention: { keep: "size" as const, sizeBytes: number } },
        says: /^retention.sizeBytes is /,
      },
      {
        given: { retention: { keep: "time" as const, durationMs: number } },
        says: /^retention.durationMs is /,
      },
    ]),
    {
      given: untyped({ retention: { keep: "size" } }),
      says: /^retention.sizeBytes is NaN: a whole/,
    },
    {
      given: untyped({ retention: { keep: "some" } }),
      says: /^retention.keep is some: "none", "all"/,
    },
    { given: untyped({ retention: "1GiB" }), says: /^retention.keep is undefined: "none", "all"/ },
  ];
  for (const { given, says } of wrong) {
    it(`${shown(given)} is refused`, () => {
      assert.throws(
        () => {
          checkSettings({ ...BASE, ...given });
        },
        (error) =>
          error instanceof DatabaseError &&
          error.code === "INVALID_ARGUMENT" &&
          says.test(error.message),
      );
    });
  }

  it("limits of which one is missing are refused", () => {
    const partial = { keySizeMax: 10, valueSizeMax: 10 } as NonNullable<NodeSettings["limits"]>;
    assert.throws(
      () => {
        checkSettings({ ...BASE, limits: partial });
      },
      { code: "INVALID_ARGUMENT" },
    );
  });

  const right: readonly Partial<NodeSettings>[] = [
    {},
    { snapshotEntries: 1, snapshotBytes: 1, segmentSizeBytes: 4096 },
    { segmentSizeBytes: 1024 * MIB, electionTimeoutMs: 3_600_000 },
    limits({}),
    limits({ keySizeMax: 1, valueSizeMax: 1, requestSizeMax: 1 }),
  ];
  for (const given of right) {
    it(`${shown(given)} is taken`, () => {
      checkSettings({ ...BASE, ...given });
    });
  }

  it("a database whose values could fit no block is not opened", async () => {
    const large = { ...DEFAULT_LIMITS, valueSizeMax: 32 * MIB, requestSizeMax: 64 * MIB };
    await assert.rejects(open({ directory: "unused", limits: large }), {
      code: "INVALID_ARGUMENT",
    });
  });
});
