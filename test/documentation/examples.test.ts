/** Every public name is documented, and what can be called has an example that runs. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "mocha";
import { type Compiled, compile, type Program } from "./programs.js";
import { publicApi } from "./public-names.js";

describe("the documentation of the library", function () {
  this.timeout(1_800_000);
  const { names } = publicApi();
  const programs: readonly Program[] = names.flatMap(({ name, examples }) =>
    examples.map((text, i) => ({ name: i === 0 ? name : `${name} (${i + 1})`, text })),
  );
  let compiled: Compiled;

  before(() => {
    compiled = compile(programs);
  });
  after(() => {
    compiled[Symbol.dispose]();
  });

  it("says of every public name what it is", () => {
    assert.ok(names.length > 100, `the check looked at ${names.length} names`);
    const silent = names.filter(({ documented }) => !documented).map(({ name }) => name);
    assert.deepEqual(silent, []);
  });

  it("shows everything that can be called in an example", () => {
    const callable = names.filter((each) => each.callable);
    assert.ok(callable.length > 60, `the check looked at ${callable.length} names`);
    const unseen = callable.filter(({ examples }) => examples.length === 0);
    assert.deepEqual(
      unseen.map(({ name }) => name),
      [],
    );
  });

  it("has examples that compile", () => {
    assert.deepEqual(compiled.mistakes, []);
  });

  for (const program of programs) {
    it(`has an example of ${program.name} that runs`, async () => {
      await compiled.run(program);
    });
  }
});
