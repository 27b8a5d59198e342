// The long hunt: lives of whole simulated clusters, seed after seed. After a build:
//
//   npm run simulate -- [--seeds 1000] [--from 1] [--minutes 10]
//
// Ends with 9 and the one command that replays it when a life breaks a promise.
import process from "node:process";
import { parseArgs } from "node:util";
import { simulate } from "../dist/src/simulation/simulation.js";

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "1000" },
    from: { type: "string", default: "1" },
    minutes: { type: "string", default: "60" },
  },
});
const first = Number(values.from);
const last = first + Number(values.seeds) - 1;
const startedAt = performance.now();
const deadline = startedAt + Number(values.minutes) * 60_000;
const sum = { lives: 0, simulatedMs: 0, events: 0, acknowledged: 0, unknown: 0, elections: 0 };

function report(end) {
  const seconds = (performance.now() - startedAt) / 1000;
  const hours = (sum.simulatedMs / 3_600_000).toFixed(2);
  const speed = (sum.simulatedMs / 1000 / seconds).toFixed(0);
  process.stderr.write(
    `\r${sum.lives} lives, ${hours} cluster hours (${speed} times real time), ` +
      `${(sum.events / seconds / 1000).toFixed(0)} k events a second, ` +
      `${sum.acknowledged} operations acknowledged, ${sum.unknown} unknown, ` +
      `${sum.elections} elections${end}`,
  );
}

for (let seed = first; seed <= last && performance.now() < deadline; seed += 1) {
  const result = simulate({ seed });
  sum.lives += 1;
  sum.simulatedMs += result.simulatedMs;
  sum.events += result.eventCount;
  sum.acknowledged += result.acknowledgedCount;
  sum.unknown += result.unknownCount;
  sum.elections += result.electionCount;
  if (result.failure !== undefined) {
    report("\n");
    process.stdout.write(`seed ${seed} (${result.nodeCount} nodes): ${result.failure.message}\n`);
    process.stdout.write(`${result.failure.trace.join("\n")}\n`);
    process.stdout.write(`replay: npm run simulate -- --from ${seed} --seeds 1\n`);
    process.exit(9);
  }
  if (process.stderr.isTTY || sum.lives % 50 === 0) report("");
}
report("\n");
