// Proof that the simulator bites: each planted bug of table.js, until it is found.
//
// A copy of the compiled house with one bug is run, seed after seed, in a process
// of its own; two at a time. Ends with 9 when a bug was not found. What bounds a hunt
// is seeds, so that a busy machine finds what a quiet one does; --seconds bounds one life.
import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { endWith, UsageError, valuesOrUsage } from "../../dist/bench/command-words.js";
import { HARD, MUTATIONS, WHERE } from "./table.js";

const USAGE = `npm run simulate:mutations -- [flags]: planted bugs, each hunted until it is found

  --seeds 2000         of a hunt, at most
  --only TEXT          bugs whose names have this in them
  --hard               the bugs that are known to be hard to find
  --workers 2          hunts at a time
  --seconds 300        of one life, at most: a hundred times what it takes on a busy machine

  npm run simulate:mutations -- --only vote`;

const values = valuesOrUsage(
  USAGE,
  {
    seeds: { type: "string", default: "2000" },
    only: { type: "string", default: "" },
    hard: { type: "boolean", default: false },
    workers: { type: "string", default: "2" },
    seconds: { type: "string", default: "300" },
  },
  ["seeds", "workers", "seconds"],
);
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
  return new Promise((resolve, reject) => {
    const child = spawn(
      process.execPath,
      [
        path.join(import.meta.dirname, "life.js"),
        ...[directory, String(to), JSON.stringify(where), String(from)],
      ],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    let last = {};
    // A bug may make a life endless: that is a finding too.
    const watch = () => setTimeout(() => child.kill("SIGKILL"), Number(values.seconds) * 1000);
    let timer = watch();
    createInterface({ input: child.stdout }).on("line", (line) => {
      clearTimeout(timer);
      timer = watch();
      last = JSON.parse(line);
    });
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      const { seeds = from - 1, found } = last;
      if (signal !== null) resolve({ seeds: seeds + 1, found: "endless life" });
      else if (code !== 0) reject(new Error(`a hunt ended with ${code}`));
      else resolve({ seeds, found });
    });
  });
}

const wanted = (values.hard ? HARD : MUTATIONS).filter(([name]) => name.includes(values.only));
if (wanted.length === 0) {
  endWith(new UsageError(`--only ${values.only} is in the name of no planted bug`), USAGE);
}
let next = 0;
let missedCount = 0;
async function work() {
  while (next < wanted.length) {
    const at = next;
    next += 1;
    const [name] = wanted[at];
    const directory = plant(wanted[at]);
    try {
      const where = WHERE[name] ?? {};
      const result = await hunt(directory, where, 1, Number(values.seeds));
      if (result.found === undefined) missedCount += 1;
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

process.stdout.write(`${wanted.length - missedCount} of ${wanted.length} planted bugs found\n`);
process.exit(missedCount > 0 ? 9 : 0);
