// Three at a time on two cores, because tests of clusters wait for elections and for
// processes that start. Folders of long files come first, so that nothing long is left
// alone at the end, and by turns, so that who waits runs beside who computes.
const { existsSync, readdirSync } = require("node:fs");
const path = require("node:path");

const ROOT = path.join(__dirname, "dist", "test");
const LONG = ["end-to-end", "storage", "simulation", "cli", "documentation", "store", "client"];

const files = (existsSync(ROOT) ? readdirSync(ROOT, { recursive: true }) : [])
  .map((file) => file.split(path.sep).join("/"))
  .filter((file) => file.endsWith(".test.js"))
  .sort();
const folders = LONG.map((name) => files.filter((file) => path.posix.dirname(file) === name));
const turns = Math.max(...folders.map(({ length }) => length));
const byTurns = Array.from({ length: turns }, (_, turn) =>
  folders.flatMap((folder) => folder.slice(turn, turn + 1)),
).flat();
const ordered = [...byTurns, ...files.filter((file) => !byTurns.includes(file))];

module.exports = {
  spec: ordered.map((file) => `dist/test/${file}`),
  // So that a test that hangs ends: none is to end because a machine is slow.
  timeout: 1800000,
  exit: false,
  reporter: "dot",
  parallel: true,
  jobs: 3,
};
