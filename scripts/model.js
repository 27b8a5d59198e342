// The store against its model, for the night: `npm run model`, or MODEL_RUNS=100000 npm run model.
import { spawnSync } from "node:child_process";
import process from "node:process";
import { valuesOrUsage } from "../dist/bench/command-words.js";

valuesOrUsage(
  "npm run model: the store against its model; MODEL_RUNS=100000 in the environment for more; no flags",
  {},
);

const { status } = spawnSync(
  process.execPath,
  [
    "node_modules/mocha/bin/mocha.js",
    "--no-config",
    "--timeout",
    "0",
    "dist/test/store/whole-model.test.js",
  ],
  { stdio: "inherit", env: { MODEL_RUNS: "10000", ...process.env } },
);
process.exitCode = status ?? 1;
