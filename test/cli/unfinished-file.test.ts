/** What is left of a file when the command that makes it is stopped. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { describe, it } from "mocha";

const SOURCE = join(import.meta.dirname, "../../src");

function addressOf(file: string): string {
  return JSON.stringify(pathToFileURL(join(SOURCE, file)).href);
}

/** Makes a file and never ends. */
function script(path: string): string {
  return `
    import { orNothing } from ${addressOf("console/unfinished-file.js")};
    import { WholeFile } from ${addressOf("storage/whole-file.js")};
    const file = WholeFile.create(${JSON.stringify(path)}, false);
    file.write(new Uint8Array(100));
    setInterval(() => undefined, 1000);
    const made = orNothing(file, () => new Promise(() => undefined));
    process.stdout.write("begun\\n");
    await made;
  `;
}

describe("a command that is stopped while it makes a file", () => {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    it(`leaves nothing of it, and dies of ${signal}`, async () => {
      const directory = mkdtempSync(join(tmpdir(), "balsa-unfinished-"));
      try {
        const words = ["--input-type=module", "-e", script(join(directory, "backup"))];
        const child = spawn(process.execPath, words, { stdio: ["ignore", "pipe", "inherit"] });
        const ended = new Promise<NodeJS.Signals | null>((done) => {
          child.once("exit", (_, by) => {
            done(by);
          });
        });
        await new Promise<void>((done) => {
          child.stdout.once("data", () => {
            done();
          });
        });
        assert.equal(readdirSync(directory).length, 1);
        child.kill(signal);
        assert.equal(await ended, signal);
        assert.deepEqual(readdirSync(directory), []);
      } finally {
        rmSync(directory, { recursive: true });
      }
    });
  }
});
