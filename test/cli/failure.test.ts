import assert from "node:assert/strict";
import { describe, it } from "mocha";
import {
  CommandError,
  EXIT,
  failureJson,
  failureOf,
  failureText,
  usageError,
} from "../../src/console/failure.js";
import { wantsJson } from "../../src/console/tell.js";
import { DatabaseError, type ErrorCode, type Outcome } from "../../src/errors.js";

const exits: readonly { code: ErrorCode; outcome?: Outcome; exit: number }[] = [
  { code: "INVALID_ARGUMENT", exit: 2 },
  { code: "KEY_TOO_LARGE", exit: 2 },
  { code: "VALUE_TOO_LARGE", exit: 2 },
  { code: "REQUEST_TOO_LARGE", exit: 2 },
  { code: "CONDITION_FAILED", exit: 4 },
  { code: "NO_LEADER", exit: 5 },
  { code: "UNAVAILABLE", exit: 5 },
  { code: "BUSY", exit: 5 },
  { code: "TIMEOUT", exit: 5 },
  { code: "TIMEOUT", outcome: "unknown", exit: 6 },
  { code: "OUTCOME_UNKNOWN", exit: 6 },
  { code: "CLOSED", outcome: "unknown", exit: 6 },
  { code: "CORRUPTION", exit: 8 },
  { code: "DIVERGENCE", exit: 9 },
  { code: "DIRECTORY_IN_USE", exit: 10 },
  { code: "WRONG_DIRECTORY", exit: 2 },
  { code: "PROTOCOL", exit: 1 },
  { code: "DISK_FULL", exit: 5 },
  { code: "STORAGE_FAILED", exit: 1 },
  { code: "ADDRESS_UNAVAILABLE", exit: 1 },
  { code: "CODEC_FAILED", exit: 1 },
];

describe("failures", () => {
  for (const { code, outcome, exit } of exits) {
    it(`${code}${outcome === undefined ? "" : ` of ${outcome} outcome`} exits ${exit}`, () => {
      const error = new DatabaseError(code, "x", outcome === undefined ? {} : { outcome });
      assert.equal(failureOf(error, "balsa").exitCode, exit);
    });
  }

  it("exit code 5 always proves that nothing was applied, and 6 never does", () => {
    for (const { code, outcome } of exits) {
      const error = new DatabaseError(code, "x", outcome === undefined ? {} : { outcome });
      const failure = failureOf(error, "balsa");
      if (failure.exitCode === EXIT.unavailable) assert.equal(failure.outcome, "not-applied");
      if (failure.exitCode === EXIT.outcomeUnknown) assert.equal(failure.outcome, "unknown");
      assert.equal(failure.exitCode === EXIT.outcomeUnknown, failure.outcome === "unknown");
    }
  });

  it("an unknown outcome names its request, and how to look for it", () => {
    const error = new DatabaseError("OUTCOME_UNKNOWN", "the node went away", { requestId: "00ff" });
    const text = failureText(failureOf(error, "balsa kv put"));
    assert.match(
      text,
      /^Error: the node went away\nRequest: 00ff\nTry this: .*balsa kv outcome 00ff/,
    );
  });

  it("JSON of a failure has the contract's fields", () => {
    const failure = failureOf(new DatabaseError("NO_LEADER", "no leader is known"), "balsa kv get");
    const { tryThis, ...error } = failureJson(failure).error;
    assert.equal(typeof tryThis, "string");
    assert.deepEqual(error, {
      code: "NO_LEADER",
      message: "no leader is known",
      exitCode: 5,
      retryable: true,
      outcome: "not-applied",
    });
  });

  it("a message of several lines is told on one", () => {
    assert.equal(failureOf(usageError("one\n  two", "x"), "balsa").message, "one two");
  });

  it("an error of oclif keeps its exit code and points to the command's help", () => {
    const error = Object.assign(new Error("Nonexistent flag: --frob\nSee more help with --help"), {
      oclif: { exit: 2 },
    });
    const failure = failureOf(error, "balsa kv get");
    assert.equal(failure.exitCode, 2);
    assert.equal(failure.message, "Nonexistent flag: --frob");
    assert.equal(failure.tryThis, "balsa kv get --help");
  });

  const usage: readonly { readonly oclif: string; readonly told: string }[] = [
    { oclif: "command kv:pet:a not found", told: 'there is no command "kv pet a"' },
    {
      oclif: "The following error occurred:\n  Missing required flag cluster",
      told: "Missing required flag --cluster",
    },
    {
      oclif:
        "The following errors occurred:\n  Missing required flag cluster\n  Missing required flag id",
      told: "Missing required flag --cluster Missing required flag --id",
    },
    {
      oclif: "Parsing --limit \n\tExpected an integer but received: abc",
      told: "--limit: expected an integer but received: abc",
    },
  ];
  for (const { oclif, told } of usage) {
    it(`oclif's "${oclif.split("\n")[0] ?? ""}" is told as: ${told}`, () => {
      const error = Object.assign(new Error(oclif), { oclif: { exit: 2 } });
      assert.equal(failureOf(error, "balsa").message, told);
    });
  }

  it("a wrong argument that says nothing of what to do points to the command's help", () => {
    const error = new DatabaseError("INVALID_ARGUMENT", "/etc is no data directory");
    assert.equal(failureOf(error, "balsa log verify").tryThis, "balsa log verify --help");
  });

  it("anything else is unexpected and keeps a system error's code", () => {
    const error = Object.assign(new Error("no space left"), { code: "ENOSPC" });
    const failure = failureOf(error, "balsa");
    assert.equal(failure.code, "ENOSPC");
    assert.match(failure.tryThis ?? "", /make room/);
    assert.equal(failure.exitCode, 1);
    assert.equal(failureOf("text", "balsa").message, "text");
  });

  it("a command's own failure is told as it is", () => {
    const error = new CommandError("NOT_FOUND", EXIT.notFound, "no key", { tryThis: "look" });
    const failure = failureOf(error, "balsa");
    assert.equal(failure.exitCode, 3);
    assert.equal(failure.outcome, "not-applied");
  });

  const words: readonly { argv: readonly string[]; wants: boolean }[] = [
    { argv: ["kv", "get", "--json", "k"], wants: true },
    { argv: ["kv", "get", "k"], wants: false },
    { argv: ["kv", "put", "--", "k", "--json"], wants: false },
  ];
  for (const { argv, wants } of words) {
    it(`[${argv.join(" ")}] ${wants ? "wants" : "does not want"} JSON`, () => {
      assert.equal(wantsJson(argv), wants);
    });
  }
});
