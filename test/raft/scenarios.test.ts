/** Scripts in scenarios/*.txt against their expected traces; `UPDATE=1` rewrites them: read the diff. */
import assert from "node:assert/strict";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, it } from "mocha";
import { runScenario } from "./scenario.js";

const directory = path.join(process.cwd(), "test/raft/scenarios");
const names = readdirSync(directory).filter((name) => name.endsWith(".txt"));

describe("raft scenarios", () => {
  it("are found", () => {
    assert.ok(names.length >= 15, `${names.length} files`);
  });
  for (const name of names) {
    it(name.replace(/\.txt$/, "").replaceAll("_", " "), () => {
      const file = path.join(directory, name);
      const expected = readFileSync(file, "utf8");
      const actual = runScenario(expected);
      if (process.env["UPDATE"] === "1") writeFileSync(file, actual);
      else assert.equal(actual, expected);
    });
  }
});
