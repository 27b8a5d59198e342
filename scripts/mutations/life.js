// Lives of the house in a directory, from a seed to another, until one fails. A line of JSON for each.
import path from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";

const [directory, seeds, where, from = "1"] = process.argv.slice(2);
const url = pathToFileURL(path.join(directory, "dist/src/simulation/simulation.js"));
const { simulate } = await import(url.href);

for (let seed = Number(from); seed <= Number(seeds); seed += 1) {
  // Half of them longer: some bugs need time to be fatal.
  const { failure } = simulate({
    ...JSON.parse(where),
    seed,
    durationMs: seed % 2 === 0 ? 5000 : 2500,
  });
  if (failure === undefined) {
    process.stdout.write(`${JSON.stringify({ seeds: seed })}\n`);
    continue;
  }
  const [first = ""] = failure.message.split("\n");
  process.stdout.write(`${JSON.stringify({ seeds: seed, found: kindOf(first) })}\n`);
  process.exit(0);
}

/** The name of the check, without the particulars of the life. */
function kindOf(line) {
  const invariant = /^InvariantViolation: ([a-z-]+)/.exec(line);
  if (invariant !== null) return `invariant ${invariant[1]}`;
  if (line.startsWith("Error: liveness")) return "liveness";
  if (line.startsWith("Error: linearizability")) return "linearizability";
  const assertion = /^AssertionError[^:]*: (?:assertion failed: )?(.*)$/.exec(line);
  if (assertion !== null) return `assertion "${assertion[1]}"`;
  return line
    .replace(/^Error: /, "")
    .replace(/\bn\d\b/g, "a node")
    .slice(0, 90);
}
