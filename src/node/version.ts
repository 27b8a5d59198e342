/** This version of Balsa, as package.json says. */
import { readFileSync } from "node:fs";

export const VERSION: string = readVersion();

function readVersion(): string {
  // dist/src/node/version.js → package.json, in a checkout and in an installed package alike
  const text = readFileSync(new URL("../../../package.json", import.meta.url), "utf8");
  const parsed: unknown = JSON.parse(text);
  if (typeof parsed === "object" && parsed !== null && "version" in parsed) {
    return String(parsed.version);
  }
  return "unknown";
}
