// Builds dist/ from nothing and writes oclif's manifest, so that a command loads only its own file.
import { spawnSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const root = path.resolve(import.meta.dirname, "..");
const manifestPath = path.join(root, "oclif.manifest.json");
rmSync(path.join(root, "dist"), { recursive: true, force: true });
rmSync(manifestPath, { force: true });

const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");
const compiled = spawnSync(process.execPath, [tsc, "-p", root], { stdio: "inherit" });
if (compiled.status !== 0) process.exit(compiled.status ?? 1);

const { Plugin } = await import("@oclif/core");
const plugin = new Plugin({
  root,
  type: "core",
  ignoreManifest: true,
  errorOnManifestCreate: true,
  respectNoCacheDefault: true,
});
await plugin.load();
writeFileSync(manifestPath, JSON.stringify(plugin.manifest));
