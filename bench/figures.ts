/**
 * `npm run bench:figures`: everything that is wanted of Balsa's speed, beside etcd
 * where that is what is compared with: wanted, measured, met or not.
 *
 * Part by part (`--only`), because a machine is seldom quiet for long; `--quick`
 * goes through all of it shortly, to see that it works, not to believe it.
 */
import { mkdirSync, rmSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { endWith, UsageError } from "./command-words.js";
import { environmentLine } from "./environment.js";
import { catchUp } from "./figures/catch-up.js";
import { failover } from "./figures/failover.js";
import { figureCells, type Figure, type FigurePart } from "./figures/figure.js";
import { follower } from "./figures/follower.js";
import { age, growth } from "./figures/growth.js";
import { logBytes } from "./figures/log-bytes.js";
import { million } from "./figures/million.js";
import { openRate } from "./figures/open-rate.js";
import { pause } from "./figures/pause.js";
import { ratios } from "./figures/ratios.js";
import { snapshot } from "./figures/snapshot.js";
import { inSession, keepResults, USUAL_DIRECTORY, type Session } from "./peers/session.js";
import { parseWords, USAGE, type PeerSettings } from "./peers/settings.js";
import { markdownTable } from "./peers/tables.js";

const PARTS: readonly FigurePart[] = [
  ratios,
  openRate,
  follower,
  failover,
  million,
  logBytes,
  growth,
  age,
  snapshot,
  catchUp,
  pause,
];

const HEADING = ["figure", "wanted", "measured", "met?", "remark"];

function help(): string {
  const parts = PARTS.map(({ name, about }) => `    ${name.padEnd(12)} ${about}`);
  return [
    "npm run bench:figures -- [flags]: what is wanted of Balsa's speed, measured",
    "",
    "  --only a,b           some parts of it:",
    ...parts,
    USAGE,
    "",
    "  npm run bench:figures -- --quick",
    "  npm run bench:figures -- --only ratios,failover --rounds 5",
  ].join("\n");
}

/** @throws {UsageError} when a name is none of a part */
function chosen(only: readonly string[]): readonly FigurePart[] {
  for (const name of only) {
    if (!PARTS.some((part) => part.name === name)) {
      throw new UsageError(
        `--only ${name} is none of ${PARTS.map((part) => part.name).join(", ")}`,
      );
    }
  }
  return only.length === 0 ? PARTS : PARTS.filter(({ name }) => only.includes(name));
}

async function measureAll(
  session: Session,
  settings: PeerSettings,
  parts: readonly FigurePart[],
): Promise<void> {
  const figures: Figure[] = [];
  for (const part of parts) {
    const directory = path.join(session.directory, part.name);
    mkdirSync(directory);
    const measured = await part.measure({ ...session, directory }, settings);
    await Promise.all(session.running.splice(0).map((system) => system.stop()));
    rmSync(directory, { recursive: true });
    session.progress("");
    for (const figure of measured) session.say(figureCells(figure).join(" · "));
    figures.push(...measured);
  }
  const quick = settings.isQuick ? ["Quick: this shows that it works, and no figure.", ""] : [];
  const table = markdownTable(HEADING, figures.map(figureCells));
  session.say();
  for (const line of [...quick, ...table]) session.say(line);
  const files = keepResults("figures", { environment: session.environment, settings, figures }, [
    environmentLine(session.environment),
    "",
    ...quick,
    ...table,
  ]);
  session.say();
  session.say(`kept: ${files.join(", ")}`);
}

try {
  const { settings, only, wantsHelp } = parseWords(process.argv.slice(2), USUAL_DIRECTORY);
  const parts = chosen(only);
  if (wantsHelp) process.stdout.write(`${help()}\n`);
  else {
    await inSession(settings.directory, (session) => measureAll(session, settings, parts));
  }
} catch (error) {
  endWith(error, help());
}
