// Tries every damage of test/storage/damage.ts.
import { tryEvery } from "./every-case.js";

const { damagedFiles } = await import("../dist/test/storage/damage.js");

const files = damagedFiles();
await tryEvery({
  script: import.meta.url,
  usage: "npm run damage: every damage of test/storage/damage.ts, on all cores; no flags",
  noun: "damages",
  groups: files.map(({ path, caseCount }) => ({ name: path, caseCount })),
  tryCase: (group, number) => ({ [files[group].tryCase(number)]: 1 }),
});
