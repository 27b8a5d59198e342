// Tries every damage of test/storage/damage.ts: none is skipped. One process a core.
import { fork } from "node:child_process";
import { availableParallelism } from "node:os";
import { performance } from "node:perf_hooks";
import process from "node:process";
import { valuesOrUsage } from "../dist/bench/command-words.js";

const { damagedFiles } = await import("../dist/test/storage/damage.js");
const REPORT_EVERY = 2000;

if (process.send === undefined) {
  valuesOrUsage(
    "npm run damage: every damage of test/storage/damage.ts, on all cores; no flags",
    {},
  );
  await lead();
} else work(Number(process.argv[2]), Number(process.argv[3]));

/** Every `count`-th case of each file, from the `part`-th on. */
function work(part, count) {
  // Refusals are ordinary here, and nobody reads where they were made.
  Error.stackTraceLimit = 0;
  for (const [which, file] of damagedFiles().entries()) {
    let outcomes = { exact: 0, refused: 0 };
    const tell = () => {
      process.send({ which, ...outcomes });
      outcomes = { exact: 0, refused: 0 };
    };
    for (let number = part; number < file.caseCount; number += count) {
      try {
        outcomes[file.tryCase(number)] += 1;
      } catch (error) {
        process.send({ failure: `${file.path}, case ${number}: ${error.stack}` });
        process.exitCode = 1;
        process.disconnect();
        return;
      }
      if (outcomes.exact + outcomes.refused === REPORT_EVERY) tell();
    }
    tell();
  }
  process.disconnect();
}

async function lead() {
  const files = damagedFiles();
  const all = files.reduce((sum, { caseCount }) => sum + caseCount, 0);
  const counts = files.map(() => ({ exact: 0, refused: 0 }));
  const startedAt = performance.now();
  let done = 0;
  let shownAt = startedAt;
  const failures = [];
  const workerCount = availableParallelism();
  await Promise.all(
    Array.from({ length: workerCount }, (_, part) => {
      const worker = fork(new URL(import.meta.url), [String(part), String(workerCount)]);
      worker.on("message", ({ which, exact, refused, failure }) => {
        if (failure !== undefined) {
          failures.push(failure);
          return;
        }
        counts[which].exact += exact;
        counts[which].refused += refused;
        done += exact + refused;
        const now = performance.now();
        if (now - shownAt < 5000) return;
        shownAt = now;
        const left = ((now - startedAt) / done) * (all - done);
        console.error(`${done} of ${all} damages, ${Math.ceil(left / 1000)} s left`);
      });
      return new Promise((resolve) => {
        worker.on("exit", resolve);
      });
    }),
  );
  for (const [which, { path, caseCount }] of files.entries()) {
    const { exact, refused } = counts[which];
    console.log(`${path}: ${caseCount} damages, ${exact} exact, ${refused} refused`);
  }
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(0);
  console.log(`${done} of ${all} damages tried in ${seconds} s, ${failures.length} failures`);
  for (const failure of failures) console.log(failure);
  if (failures.length > 0 || done !== all) process.exitCode = 1;
}
