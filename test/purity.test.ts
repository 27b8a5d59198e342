/** The lint that keeps src/raft and src/store pure (law 2), tried with planted impurities. */
import assert from "node:assert/strict";
import path from "node:path";
import { ESLint } from "eslint";
import { before, describe, it } from "mocha";

const ROOT = path.resolve(import.meta.dirname, "../..");

const impurities: readonly { readonly what: string; readonly code: string }[] = [
  { what: "the wall clock", code: "export const now = Date.now();" },
  { what: "a monotonic clock", code: "export const now = performance.now();" },
  { what: "chance", code: "export const dice = Math.random();" },
  { what: "the environment", code: "export const home = process.env;" },
  { what: "a timer", code: "setTimeout(() => undefined, 1);" },
  { what: "an immediate", code: "setImmediate(() => undefined);" },
  { what: "a microtask", code: "queueMicrotask(() => undefined);" },
  { what: "a promise", code: "export const later = Promise.resolve(1);" },
  { what: "an async function", code: "export async function later(): Promise<void> {}" },
  { what: "a pooled buffer", code: "export const bytes = Buffer.from([1]);" },
  { what: "a console", code: 'console.log("hello");' },
  {
    what: "a file system",
    code: 'import fs from "node:fs"; export const names = fs.readdirSync(".");',
  },
  { what: "a way round the names", code: "export const clock = globalThis;" },
  { what: "a dynamic import", code: 'export const later = import("node:fs");' },
  { what: "the locale", code: 'export const order = "a".localeCompare("b");' },
  { what: "cryptographic chance", code: "export const id = crypto.randomUUID();" },
];

describe("the lint of the pure core", function () {
  // The first text has all of the lint loaded.
  this.timeout(1_800_000);
  let lint: ESLint;
  before(() => {
    // Types are not needed to see an impurity; without them a text needs no file.
    lint = new ESLint({
      cwd: ROOT,
      overrideConfig: [
        { files: ["**/*.ts"], languageOptions: { parserOptions: { projectService: false } } },
      ],
      ruleFilter: ({ ruleId }) => ruleId.startsWith("no-restricted"),
    });
  });

  for (const room of ["src/raft", "src/store"]) {
    for (const { what, code } of impurities) {
      it(`sees ${what} in ${room}`, async () => {
        const results = await lint.lintText(`${code}\n`, {
          filePath: path.join(ROOT, room, "planted.ts"),
        });
        const rules = results.flatMap(({ messages }) => messages.map(({ ruleId }) => ruleId));
        assert.ok(
          rules.some((rule) => rule?.startsWith("no-restricted") === true),
          `messages: ${JSON.stringify(results[0]?.messages)}`,
        );
      });
    }

    it(`lets pure code in ${room} be`, async () => {
      const results = await lint.lintText("export const one = Math.max(1, 0);\n", {
        filePath: path.join(ROOT, room, "planted.ts"),
      });
      assert.deepEqual(results[0]?.messages, []);
    });
  }
});
