/** The pages for users say what is true: their programs run, and their tables are the code's. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, it } from "mocha";
import { DatabaseError, type ErrorCode } from "../../src/errors.js";
import { ANOMALIES } from "../transaction-contract.js";
import { type Compiled, compile, type Program } from "./programs.js";
import { publicApi, ROOT } from "./public-names.js";

const PAGES = ["README.md", "docs/LIBRARY.md", "docs/TRANSACTIONS.md"];

const textOf = (page: string): string => readFileSync(path.join(ROOT, page), "utf8");

function programsOf(page: string): Program[] {
  const text = textOf(page);
  return [...text.matchAll(/```ts\n([\s\S]*?)```/g)].map((match) => {
    const line = text.slice(0, match.index).split("\n").length;
    return { name: `${page}:${line}`, text: match[1] ?? "" };
  });
}

/** The cells of the rows whose first cell is one of `first`, in the page's order. */
function rowsOf(page: string, isFirst: (cell: string) => boolean): string[][] {
  return textOf(page)
    .split("\n")
    .filter((line) => line.startsWith("|"))
    .map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim()),
    )
    .filter(([cell]) => cell !== undefined && isFirst(cell));
}

describe("the pages for users", function () {
  this.timeout(1_800_000);
  const programs = PAGES.flatMap(programsOf);
  let compiled: Compiled;

  before(() => {
    compiled = compile(programs);
  });
  after(() => {
    compiled[Symbol.dispose]();
  });

  it("have programs that compile", () => {
    assert.ok(programs.length > 20, `the check looked at ${programs.length} programs`);
    assert.deepEqual(compiled.mistakes, []);
  });

  for (const program of programs) {
    it(`have a program at ${program.name} that does what it says`, async () => {
      await compiled.run(program);
    });
  }

  it("say of every error code what it is worth", () => {
    const { errorCodes } = publicApi();
    const isCode = (text: string): text is ErrorCode => errorCodes.includes(text);
    const said = rowsOf("docs/LIBRARY.md", (cell) => /^`[A-Z_]+`$/.test(cell)).map((row) => {
      const [code = "", retryable, outcome] = row;
      return { code: code.slice(1, -1), retryable, outcome };
    });
    const known = errorCodes.filter(isCode).map((code) => {
      const error = new DatabaseError(code, "as it comes");
      return { code, retryable: error.retryable ? "yes" : "no", outcome: error.outcome };
    });
    assert.ok(known.length > 20, `the check looked at ${known.length} codes`);
    const byCode = (a: { code: string }, b: { code: string }): number => (a.code < b.code ? -1 : 1);
    assert.deepEqual(said.toSorted(byCode), known.toSorted(byCode));
  });

  it("say of every anomaly whom it may happen to, as its tests do", () => {
    const names = new Set(ANOMALIES.map(({ name }) => name));
    const page = "docs/TRANSACTIONS.md";
    const [heading] = rowsOf(page, (cell) => cell === "anomaly");
    assert.deepEqual(heading?.slice(2), [
      "serializable, held by the cluster",
      "serializable, of this process",
      "snapshot, held by the cluster",
      "snapshot, of this process",
    ]);
    const said = rowsOf(page, (cell) => names.has(cell)).map(([name, , ...cells]) => [
      name,
      ...cells,
    ]);
    const tried = ANOMALIES.map(({ name, allowed }) => {
      const cell = (may: boolean): string => (may ? "may happen" : "does not happen");
      const [serializable, snapshot] = [cell(allowed.serializable), cell(allowed.snapshot)];
      return [name, serializable, serializable, snapshot, snapshot];
    });
    assert.deepEqual(said, tried);
  });
});
