// Three at a time on two cores: tests of clusters wait for elections and for processes
// that start. What takes long is begun first, so that nothing long is left alone at the end.
const { existsSync, readdirSync } = require("node:fs");
const path = require("node:path");

const ROOT = path.join(__dirname, "dist", "test");
/** The longest first: who starts many processes, who compiles, who simulates. */
const LONG = [
  /^end-to-end\//,
  /^simulation\/determinism\./,
  /^cli\/.*\.e2e\./,
  /^documentation\//,
  /^cli\//,
  /^simulation\//,
  /^client\//,
];

function rank(file) {
  const at = LONG.findIndex((name) => name.test(file));
  return at === -1 ? LONG.length : at;
}

const files = (existsSync(ROOT) ? readdirSync(ROOT, { recursive: true }) : [])
  .map((file) => file.split(path.sep).join("/"))
  .filter((file) => file.endsWith(".test.js"))
  .sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));

module.exports = {
  spec: files.map((file) => `dist/test/${file}`),
  timeout: 20000,
  exit: false,
  reporter: "dot",
  parallel: true,
  jobs: 3,
};
