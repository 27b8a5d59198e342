// Makes every stop of test/storage/crash-everywhere.ts, in a life and in its recoveries.
import { tryEvery } from "./every-case.js";

const { callCount, stopAt } = await import("../dist/test/storage/crash-everywhere.js");

await tryEvery({
  script: import.meta.url,
  usage:
    "npm run crashes: a stop at every file-system call of a life, and of its recoveries, on all cores; no flags",
  noun: "stops of a life",
  groups: [{ name: "a life and its recoveries", caseCount: callCount() }],
  tryCase: (_, number) => ({ "stops of a recovery": stopAt(number + 1, 1) }),
});
