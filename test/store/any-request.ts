/** Requests at random, over few keys so that they meet; with bytes at the ends of the order. */
import fc from "fast-check";
import { DEFAULT_LIMITS } from "../../src/store/command.js";
import type { Command, Request } from "../../src/store/command.js";

export const LIMITS = { ...DEFAULT_LIMITS, valueSizeMax: 24 };
const NO_BYTES = new Uint8Array(0);

export const anyKey = fc.constantFrom(
  ...["a", "b", "aa", "a\u0000", "\u0000", "\u00ff", "\u00ff\u00ff", "n", "m"].map(
    (text) => new Uint8Array(Buffer.from(text, "latin1")),
  ),
);
const anyValue = fc.oneof(
  fc.uint8Array({ maxLength: 6 }),
  fc
    .oneof(fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n }), fc.bigInt({ min: -9n, max: 9n }))
    .map((number) => new Uint8Array(Buffer.from(number.toString()))),
);
const anyCommand: fc.Arbitrary<Command> = fc.oneof(
  fc.record({
    kind: fc.constant("put" as const),
    key: anyKey,
    value: anyValue,
    condition: fc.constantFrom(
      "none" as const,
      "none" as const,
      "absent" as const,
      "present" as const,
    ),
  }),
  fc.record({ kind: fc.constant("delete" as const), key: anyKey }),
  fc.record({
    kind: fc.constant("deleteRange" as const),
    key: fc.oneof(anyKey, fc.constant(NO_BYTES)),
    end: fc.oneof(anyKey, fc.constant(NO_BYTES)),
  }),
  fc.record({
    kind: fc.constant("increment" as const),
    key: anyKey,
    by: fc.oneof(
      fc.bigInt({ min: -3n, max: 3n }),
      fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n }),
    ),
  }),
  fc.record({ kind: fc.constant("append" as const), key: anyKey, value: anyValue }),
);
export const anyRequest: fc.Arbitrary<Request> = fc.record({
  id: fc.constant(NO_BYTES),
  commands: fc.array(anyCommand, { minLength: 1, maxLength: 5 }),
});
