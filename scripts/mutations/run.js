// Proof that the simulator bites: each planted bug of table.js, until it is found.
// After a build:
//
//   npm run simulate:mutations -- [--seeds 300] [--only TEXT] [--hard] [--seconds 100] [--out docs/MUTATIONS.md]
//
// A copy of the compiled house with one bug is run, seed after seed, in a process
// of its own; two at a time. Ends with 9 when a bug was not found.
import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { HARD, MUTATIONS, WHERE } from "./table.js";

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "300" },
    only: { type: "string", default: "" },
    hard: { type: "boolean", default: false },
    out: { type: "string" },
    workers: { type: "string", default: "2" },
    // of a bug's hunt, at most
    seconds: { type: "string", default: "100" },
  },
});
const ROOT = path.resolve(import.meta.dirname, "../..");

/** A copy of the compiled sources with one bug in it. */
function plant([name, file, text, replacement]) {
  const directory = mkdtempSync(path.join(tmpdir(), "balsa-mutation-"));
  cpSync(path.join(ROOT, "dist", "src"), path.join(directory, "dist", "src"), { recursive: true });
  for (const shared of ["package.json", "node_modules"]) {
    symlinkSync(path.join(ROOT, shared), path.join(directory, shared));
  }
  const target = path.join(directory, "dist", "src", file);
  const source = readFileSync(target, "utf8");
  const count = source.split(text).length - 1;
  if (count !== 1) throw new Error(`"${name}": its text is in ${file} ${count} times, not once`);
  writeFileSync(
    target,
    source.replace(text, () => replacement),
  );
  return directory;
}

/** Runs lives until one fails. @returns how many, and what found it */
function hunt(directory, where, from, to) {
  return new Promise((resolve) => {
    const child = spawn(
      process.execPath,
      [
        path.join(import.meta.dirname, "life.js"),
        ...[directory, String(to), JSON.stringify(where), String(from)],
      ],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    let out = "";
    // A bug may make a life endless: that is a finding too.
    const timer = setTimeout(() => child.kill("SIGKILL"), Number(values.seconds) * 1000);
    child.stdout.on("data", (chunk) => (out += chunk));
    child.on("close", () => {
      clearTimeout(timer);
      const lines = out.trim().split("\n");
      const last = JSON.parse(lines.at(-1) || "{}");
      resolve(last.found === undefined ? { seeds: last.seeds ?? 0 } : last);
    });
  });
}

const wanted = (values.hard ? HARD : MUTATIONS).filter(([name]) => name.includes(values.only));
const results = new Array(wanted.length);
let next = 0;
async function work() {
  while (next < wanted.length) {
    const at = next;
    next += 1;
    const [name, file] = wanted[at];
    const directory = plant(wanted[at]);
    try {
      const where = WHERE[name] ?? {};
      const result = await hunt(directory, where, 1, Number(values.seeds));
      results[at] = { name, file, ...result };
      if (result.found !== undefined) {
        // It is the bug that was found only if the house without it lives that life.
        const control = await hunt(ROOT, where, result.seeds, result.seeds);
        if (control.found !== undefined) {
          throw new Error(`the house itself fails in seed ${result.seeds}: ${control.found}`);
        }
      }
      const found = result.found ?? "NOT FOUND";
      process.stdout.write(`${String(result.seeds).padStart(4)} seeds  ${name}  ->  ${found}\n`);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  }
}
await Promise.all(Array.from({ length: Number(values.workers) }, work));

const missed = results.filter(({ found }) => found === undefined);
process.stdout.write(`${results.length - missed.length} of ${results.length} planted bugs found\n`);
if (values.out !== undefined) {
  const rows = results.map(
    ({ name, file, seeds, found }) =>
      `| ${name} | \`${file}\` | ${seeds} | ${found ?? "not found"} |`,
  );
  writeFileSync(
    path.resolve(ROOT, values.out),
    [
      "# Planted bugs",
      "",
      "Made by `npm run simulate:mutations -- --out docs/MUTATIONS.md`. Each bug is one small change to the compiled",
      "sources (`scripts/mutations/table.js`); the whole simulated house is run with it, seed after seed from 1, until",
      "something notices. How many seeds that took, and what noticed:",
      "",
      "| planted bug | in | seeds | found by |",
      "| --- | --- | ---: | --- |",
      ...rows,
      "",
    ].join("\n"),
  );
}
process.exit(missed.length > 0 ? 9 : 0);
