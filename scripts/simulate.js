// The long hunt: lives of whole simulated clusters, seed after seed.
//
// Ends when the seeds, the minutes or the simulated cluster hours are used up; with 9
// when a life breaks a promise. That life is then shrunk to the fewest deeds that still
// break it, and the one command that replays it is printed, with its trace.
// --nodes, --duration, --clients and --without (deeds by name) are what such a command says;
// --with says what all lives have, whatever their seeds say: resp,watches,expiry,dense and
// the like (Emphasis in src/simulation/nemesis.ts).
import process from "node:process";
import { isMainThread, parentPort, Worker } from "node:worker_threads";
import { endWith, UsageError, valuesOrUsage } from "../dist/bench/command-words.js";
import { EMPHASES } from "../dist/src/simulation/nemesis.js";
import { replayCommand, shrink } from "../dist/src/simulation/shrink.js";
import { simulate } from "../dist/src/simulation/simulation.js";

/** Beyond it lives repeat. */
const SEED_MAX = 2 ** 32 - 1;

const USAGE = `npm run simulate -- [flags]: lives of whole clusters in simulated worlds

  --seeds 1000         how many lives
  --from 1             the first one's seed
  --minutes 60         of real time, at most
  --hours 5            of simulated cluster time, at most [default: no limit]
  --workers 1          threads
  --with a,b           what all lives have, whatever their seeds say: resp, watches, expiry, dense, …
  --nodes N, --duration MS, --clients N, --without a,b
                       how a life that broke a promise is replayed: the failure prints them

  npm run simulate -- --from 4711 --seeds 1`;

const values = valuesOrUsage(
  USAGE,
  {
    seeds: { type: "string", default: "1000" },
    from: { type: "string", default: "1" },
    minutes: { type: "string", default: "60" },
    hours: { type: "string" },
    workers: { type: "string", default: "1" },
    nodes: { type: "string" },
    duration: { type: "string" },
    clients: { type: "string" },
    without: { type: "string" },
    with: { type: "string" },
  },
  ["seeds", "from", "minutes", "hours", "workers", "nodes", "duration", "clients"],
);

checkWords();

function checkWords() {
  for (const name of ["seeds", "from", "workers"]) {
    if (Number.isInteger(Number(values[name]))) continue;
    endWith(new UsageError(`--${name} ${values[name]} is not a whole number`), USAGE);
  }
  const last = Number(values.from) + Number(values.seeds) - 1;
  if (last > SEED_MAX) {
    endWith(new UsageError(`seed ${last} is beyond ${SEED_MAX}, the last one there is`), USAGE);
  }
  for (const name of values.with?.split(",") ?? []) {
    if (EMPHASES.includes(name)) continue;
    endWith(new UsageError(`--with ${name} is none of ${EMPHASES.join(", ")}`), USAGE);
  }
}

function optionsOf(seed) {
  return {
    seed,
    ...(values.nodes === undefined ? {} : { nodeCount: Number(values.nodes) }),
    ...(values.duration === undefined ? {} : { durationMs: Number(values.duration) }),
    ...(values.clients === undefined ? {} : { clientCountMax: Number(values.clients) }),
    ...(values.without === undefined ? {} : { leftOut: values.without.split(",") }),
    ...(values.with === undefined ? {} : { emphasis: values.with.split(",") }),
  };
}

if (isMainThread) await hunt();
else live();

/** A worker: lives the seeds that it is asked for. */
function live() {
  // Refusals are ordinary here, and nobody reads where they were made.
  Error.stackTraceLimit = 0;
  parentPort.on("message", (seed) => {
    const { failure, trace: _, ...result } = simulate(optionsOf(seed));
    parentPort.postMessage({ ...result, failed: failure !== undefined });
  });
}

async function hunt() {
  const first = Number(values.from);
  const last = first + Number(values.seeds) - 1;
  const startedAt = performance.now();
  const deadline = startedAt + Number(values.minutes) * 60_000;
  const sum = {
    lives: 0,
    simulatedMs: 0,
    events: 0,
    acknowledged: 0,
    unknown: 0,
    undecided: 0,
    transactions: 0,
    elections: 0,
  };
  const report = (end) => {
    const seconds = (performance.now() - startedAt) / 1000;
    process.stderr.write(
      `\r${sum.lives} lives, ${(sum.simulatedMs / 3_600_000).toFixed(2)} cluster hours ` +
        `(${(sum.simulatedMs / 1000 / seconds).toFixed(0)} times real time), ` +
        `${(sum.events / seconds / 1000).toFixed(0)} k events a second, ` +
        `${sum.acknowledged} operations acknowledged, ${sum.unknown} unknown, ` +
        `${sum.transactions} transactions, ${sum.elections} elections, ` +
        `${sum.undecided} histories undecided${end}`,
    );
  };
  const isOver = () =>
    performance.now() >= deadline ||
    sum.simulatedMs >= Number(values.hours ?? Infinity) * 3_600_000;

  let next = first;
  let failedSeed;
  await Promise.all(
    Array.from(
      { length: Number(values.workers) },
      () =>
        new Promise((resolve, reject) => {
          const worker = new Worker(new URL(import.meta.url), {
            argv: process.argv.slice(2),
            // Lives leave much garbage behind that dies young: a few of them between two collections.
            resourceLimits: { maxYoungGenerationSizeMb: 144 },
          });
          const ask = () => {
            if (next > last || isOver() || failedSeed !== undefined) {
              void worker.terminate().then(resolve);
              return;
            }
            worker.postMessage(next);
            next += 1;
          };
          worker.on("error", reject);
          worker.on("message", (result) => {
            sum.lives += 1;
            sum.simulatedMs += result.simulatedMs;
            sum.events += result.eventCount;
            sum.acknowledged += result.acknowledgedCount;
            sum.unknown += result.unknownCount;
            sum.undecided += result.undecidedCount;
            sum.transactions += result.transactionCount;
            sum.elections += result.electionCount;
            if (result.failed) failedSeed = Math.min(failedSeed ?? Infinity, result.seed);
            if (process.stderr.isTTY || sum.lives % 200 === 0) report("");
            ask();
          });
          ask();
        }),
    ),
  );
  report("\n");
  if (sum.lives === 0) {
    process.stderr.write("no life came to an end in the time given: nothing was shown\n");
    process.exit(1);
  }
  if (failedSeed === undefined) return;
  process.stdout.write(`seed ${failedSeed} breaks a promise; shrinking it\n`);
  const { options, result, lifeCount } = shrink(optionsOf(failedSeed));
  const { failure, nodeCount, deeds, simulatedMs } = result;
  process.stdout.write(
    `seed ${failedSeed} (${nodeCount} nodes): ${failure.message}\n${failure.trace.join("\n")}\n` +
      `${deeds.length} deeds in ${simulatedMs} ms are left, after ${lifeCount} lives\n` +
      `replay: ${replayCommand(options)}\n`,
  );
  process.exit(9);
}
