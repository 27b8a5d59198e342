#!/usr/bin/env node
// Refuses a Node.js that is too old before anything newer is parsed, then hands over.
const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(
    `Error: Balsa needs Node.js 20.19 or newer; this is ${process.versions.node}\nTry this: install the current LTS from https://nodejs.org`,
  );
  process.exit(2);
}
try {
  const { main } = await import("../dist/src/console/main.js");
  await main(process.argv.slice(2));
} catch (error) {
  if (error.code !== "ERR_MODULE_NOT_FOUND" || !error.message.includes("console/main.js")) {
    throw error;
  }
  console.error(
    "Error: this checkout is not built yet (dist/ is missing)\nTry this: npm run build",
  );
  process.exit(2);
}
