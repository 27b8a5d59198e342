// Tries every one of numbered cases, none skipped, in one process a core; tells how far it is.
import { fork } from "node:child_process";
import { availableParallelism } from "node:os";
import { performance } from "node:perf_hooks";
import process from "node:process";
import { valuesOrUsage } from "../dist/bench/command-words.js";

/** Prime: cases that cost more than others come at any time, and the estimate is right from the start. */
const STRIDE = 7919;
const TELL_EVERY_MS = 500;
const SHOW_EVERY_MS = 5000;

/**
 * The script that calls it is run again in every process.
 *
 * @param script the script's import.meta.url
 * @param usage one line: the command and what it does
 * @param noun what the cases are, in plural
 * @param groups {name, caseCount}: cases from 0 to caseCount - 1
 * @param tryCase (group's number, case's number) => how often what came of it, by name; throws what is wrong
 */
export async function tryEvery({ script, usage, noun, groups, tryCase }) {
  for (const { name, caseCount } of groups) {
    if (caseCount % STRIDE === 0)
      throw new Error(`${name}: ${caseCount} cases would be tried twice`);
  }
  if (process.send === undefined) {
    valuesOrUsage(usage, {});
    await lead({ script, noun, groups });
  } else work({ groups, tryCase, part: Number(process.argv[2]), count: Number(process.argv[3]) });
}

/** Every `count`-th case of each group, from the `part`-th on. */
function work({ groups, tryCase, part, count }) {
  // Refusals are ordinary here, and nobody reads where they were made.
  Error.stackTraceLimit = 0;
  for (const [group, { name, caseCount }] of groups.entries()) {
    let told = { group, done: 0, outcomes: {} };
    let toldAt = performance.now();
    for (let step = part; step < caseCount; step += count) {
      const number = (step * STRIDE) % caseCount;
      try {
        for (const [outcome, times] of Object.entries(tryCase(group, number)))
          told.outcomes[outcome] = (told.outcomes[outcome] ?? 0) + times;
      } catch (error) {
        process.send({ failure: `${name}, case ${number}: ${error.stack}` });
        process.disconnect();
        return;
      }
      told.done += 1;
      if (performance.now() - toldAt < TELL_EVERY_MS) continue;
      process.send(told);
      told = { group, done: 0, outcomes: {} };
      toldAt = performance.now();
    }
    process.send(told);
  }
  process.disconnect();
}

async function lead({ script, noun, groups }) {
  const all = groups.reduce((sum, { caseCount }) => sum + caseCount, 0);
  const outcomes = groups.map(() => ({}));
  const failures = [];
  const startedAt = performance.now();
  let [done, shownAt] = [0, startedAt];
  const onMessage = (message) => {
    if (message.failure !== undefined) {
      failures.push(message.failure);
      return;
    }
    done += message.done;
    const sums = outcomes[message.group];
    for (const [outcome, times] of Object.entries(message.outcomes))
      sums[outcome] = (sums[outcome] ?? 0) + times;
    const now = performance.now();
    if (now - shownAt < SHOW_EVERY_MS || done === 0) return;
    shownAt = now;
    const left = ((now - startedAt) / done) * (all - done);
    console.error(`${done} of ${all} ${noun}, ${Math.ceil(left / 1000)} s left`);
  };
  const count = availableParallelism();
  await Promise.all(
    Array.from({ length: count }, (_, part) => {
      const worker = fork(new URL(script), [String(part), String(count)]);
      worker.on("message", onMessage);
      return new Promise((resolve) => {
        worker.on("exit", resolve);
      });
    }),
  );
  for (const [group, { name, caseCount }] of groups.entries()) {
    const sums = Object.entries(outcomes[group]).map(([outcome, times]) => `, ${times} ${outcome}`);
    console.log(`${name}: ${caseCount} ${noun}${sums.join("")}`);
  }
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(0);
  console.log(`${done} of ${all} ${noun} tried in ${seconds} s, ${failures.length} failures`);
  for (const failure of failures) console.log(failure);
  if (failures.length > 0 || done !== all) process.exitCode = 1;
}
