/** What is run by hand answers words it does not know as the command line does: usage, and 2. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { describe, it } from "mocha";
import { numberOf, UsageError, valuesOf } from "../../bench/command-words.js";

const PROGRAMS: readonly { readonly file: string; readonly words: readonly string[] }[] = [
  { file: "scripts/simulate.js", words: ["--sedes", "5"] },
  { file: "scripts/simulate.js", words: ["--with", "nonsense"] },
  { file: "scripts/simulate.js", words: ["--workers", "0.5"] },
  { file: "scripts/damage.js", words: ["--all"] },
  { file: "scripts/model.js", words: ["100"] },
  { file: "scripts/mutations/run.js", words: ["--only", "no such bug"] },
  { file: "dist/bench/peers.js", words: ["--rounds", "0"] },
  { file: "dist/bench/figures.js", words: ["--only", "everything"] },
  { file: "dist/bench/storage.js", words: ["--only", "everything"] },
  { file: "dist/bench/table.js", words: ["--keys"] },
];

interface Ended {
  readonly code: number | null;
  readonly output: string;
  readonly errors: string;
}

async function run(file: string, words: readonly string[]): Promise<Ended> {
  const child = spawn(process.execPath, [file, ...words], { stdio: ["ignore", "pipe", "pipe"] });
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { code: await ended, output, errors };
}

describe("programs that are run by hand", function () {
  this.timeout(1_800_000);

  for (const { file, words } of PROGRAMS) {
    it(`${file} ${words.join(" ")} is told what is wrong, and the usage`, async () => {
      const { code, output, errors } = await run(file, words);
      assert.equal(code, 2, errors);
      assert.equal(output, "");
      const [wrong = "", empty, usage = ""] = errors.split("\n");
      assert.ok(
        words.some((word) => wrong.includes(word)),
        wrong,
      );
      assert.equal(empty, "");
      assert.match(usage, /^(npm run|node) [^ ]+.*: /);
      assert.doesNotMatch(errors, /^ +at /m, "a stack");
    });
  }

  it("print their usage on --help", async () => {
    const { code, output, errors } = await run("dist/bench/table.js", ["--help"]);
    assert.deepEqual([code, errors], [0, ""]);
    assert.match(output, /^node .*table\.js .*\n\n {2}--keys 1000000 /);
  });

  it("take the words that they know", () => {
    const options = { seeds: { type: "string", default: "3" }, all: { type: "boolean" } } as const;
    assert.deepEqual({ ...valuesOf([], options, ["seeds"]) }, { seeds: "3" });
    const given = valuesOf(["--seeds", "7", "--all"], options, ["seeds"]);
    assert.deepEqual({ ...given }, { seeds: "7", all: true });
  });

  for (const text of ["0", "-1", "many", "", "Infinity"]) {
    it(`"${text}" is not a number above 0`, () => {
      assert.throws(() => numberOf("--seeds", text), UsageError);
    });
  }
});
