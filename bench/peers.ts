/**
 * `npm run bench`: Balsa beside etcd, Redis and NATS on this machine, in one run.
 *
 * Rounds in rotating order, because the machine changes from minute to minute:
 * only the ratio within a round is worth anything, and the median of the rounds'
 * ratios is the answer. All get the same keys and values, the same number of
 * connections and requests in flight, and a client of prebuilt bytes in a process
 * of its own, pointed at the leader. What an answer is worth differs, and is said.
 * etcd is started anew before its reads: 3.4 reads slowly after many writes, and
 * that is not what is compared.
 */
import process from "node:process";
import { endWith } from "./command-words.js";
import { environmentLine } from "./environment.js";
import { measureMatrix } from "./peers/matrix.js";
import { inSession, keepResults, USUAL_DIRECTORY, type Session } from "./peers/session.js";
import { parseWords, USAGE, type PeerSettings } from "./peers/settings.js";
import { startTogether } from "./peers/start.js";
import { summarize } from "./peers/summary.js";
import { matrixLines, systemLines } from "./peers/tables.js";
import { PEERS_FORMAT } from "./report/series.js";

const HELP = `npm run bench -- [flags]: Balsa beside other systems, on this machine

${USAGE}

  npm run bench -- --quick
  npm run bench -- --peers etcd,redis,ceiling --rounds 5`;

async function compare(session: Session, settings: PeerSettings): Promise<void> {
  const { running, say } = session;
  await startTogether(session, settings.peers, settings.keys);
  for (const line of systemLines(running)) say(line);
  say();
  const writes = await measureMatrix(session, "write", settings);
  const writeLines = matrixLines(summarize(writes));
  for (const line of writeLines) say(line);
  await running.find(({ name }) => name === "etcd")?.restart();
  say();
  const reads = await measureMatrix(session, "read", settings);
  const readLines = matrixLines(summarize(reads));
  for (const line of readLines) say(line);
  const measurements = [...writes, ...reads];
  const files = keepResults(
    "peers",
    {
      format: PEERS_FORMAT,
      environment: session.environment,
      settings,
      systems: running.map(({ name, version, remark }) => ({ name, version, remark })),
      rows: summarize(measurements),
      measurements,
    },
    [
      environmentLine(session.environment),
      "",
      ...systemLines(running),
      ...writeLines,
      ...readLines,
    ],
  );
  say();
  say(`kept: ${files.join(", ")}`);
}

try {
  const { settings, wantsHelp } = parseWords(process.argv.slice(2), USUAL_DIRECTORY);
  if (wantsHelp) process.stdout.write(`${HELP}\n`);
  else await inSession(settings.directory, (session) => compare(session, settings));
} catch (error) {
  endWith(error, HELP);
}
