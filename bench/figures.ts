/**
 * `npm run bench:figures`: everything that is wanted of Balsa's speed, beside etcd
 * where that is what is compared with: wanted, measured, met or not.
 *
 * Part by part (`--only`), because a machine is seldom quiet for long; `--quick`
 * goes through all of it shortly, to see that it works, not to believe it.
 */
import process from "node:process";
import { environmentLine } from "./environment.js";
import { failover } from "./figures/failover.js";
import { figureCells, type Figure, type FigurePart } from "./figures/figure.js";
import { inSession, keepResults, USUAL_DIRECTORY, type Session } from "./peers/session.js";
import { parseWords, USAGE, type PeerSettings } from "./peers/settings.js";
import { markdownTable } from "./peers/tables.js";

const PARTS: readonly FigurePart[] = [failover];

const HEADING = ["figure", "wanted", "measured", "", "remark"];

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

/** @throws {Error} when a name is none of a part */
function chosen(only: readonly string[]): readonly FigurePart[] {
  for (const name of only) {
    if (!PARTS.some((part) => part.name === name)) {
      throw new Error(`--only ${name} is none of ${PARTS.map((part) => part.name).join(", ")}`);
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
    const measured = await part.measure(session, settings);
    await Promise.all(session.running.splice(0).map((system) => system.stop()));
    session.progress("");
    for (const figure of measured) session.say(figureCells(figure).join(" · "));
    figures.push(...measured);
  }
  const table = markdownTable(HEADING, figures.map(figureCells));
  session.say();
  for (const line of table) session.say(line);
  const files = keepResults("figures", { environment: session.environment, settings, figures }, [
    environmentLine(session.environment),
    "",
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
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
