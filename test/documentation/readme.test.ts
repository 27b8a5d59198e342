/** The README's programs run as they stand there, and its commands exist. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { after, before, describe, it } from "mocha";
import ts from "typescript";
import { startNode, type RunningNode } from "../../src/index.js";

const ROOT = path.resolve(import.meta.dirname, "../../..");
const README = readFileSync(path.join(ROOT, "README.md"), "utf8");
const LIBRARY = pathToFileURL(path.join(ROOT, "dist/src/index.js")).href;

function blocks(language: string): string[] {
  const fence = new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, "g");
  return [...README.matchAll(fence)].map((match) => match[1] ?? "");
}

/** Runs a TypeScript program of the README in `directory`; @returns what it printed. */
async function run(program: string, directory: string): Promise<string> {
  const { outputText } = ts.transpileModule(program.replaceAll('"balsa-db"', `"${LIBRARY}"`), {
    compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 },
  });
  const file = path.join(directory, "example.mjs");
  writeFileSync(file, outputText);
  const child = spawn(process.execPath, [file], {
    cwd: directory,
    stdio: ["ignore", "pipe", "inherit"],
  });
  let printed = "";
  child.stdout.on("data", (chunk: Buffer) => (printed += chunk.toString()));
  const [code] = (await once(child, "close")) as [number | null];
  assert.equal(code, 0, program);
  return printed;
}

describe("the README", function () {
  this.timeout(30_000);
  let directory: string;
  let node: RunningNode;

  before(async () => {
    directory = mkdtempSync(path.join(tmpdir(), "balsa-readme-"));
    const peerAddress = "127.0.0.1:13141";
    node = await startNode({
      id: "n1",
      peerAddress,
      clientAddress: "127.0.0.1:14141",
      cluster: new Map([["n1", peerAddress]]),
      dataDirectory: path.join(directory, "n1"),
    });
  });
  after(async () => {
    await node.close();
    rmSync(directory, { recursive: true, force: true });
  });

  it("has two programs, and both do what they say", async () => {
    const [embedded, remote, ...others] = blocks("ts");
    assert.ok(embedded !== undefined && remote !== undefined);
    assert.deepEqual(others, []);
    assert.match(await run(embedded, directory), /^green \d+$/m);
    assert.equal(await run(remote, directory), "");
  });

  it("names commands that exist", () => {
    const named = blocks("sh")
      .flatMap((block) => [...block.matchAll(/npx balsa ([a-z]+)(?: ([a-z]+))?/g)])
      .map(([, topic, command]) => [topic, command].filter((word) => word !== undefined));
    assert.ok(named.length >= 6, `the check looked at ${named.length} commands`);
    for (const words of named) {
      const file = path.join(ROOT, "commands", `${words.join("/")}.ts`);
      assert.ok(existsSync(file), `${words.join(" ")} is a command`);
    }
  });

  it("names scripts that exist", () => {
    const { scripts } = JSON.parse(readFileSync(path.join(ROOT, "package.json"), "utf8")) as {
      scripts: Record<string, string>;
    };
    const named = [...README.matchAll(/npm run ([a-z:]+)/g)].map(([, name]) => name ?? "");
    assert.ok(named.length >= 2);
    for (const name of named) assert.ok(name in scripts, `npm run ${name}`);
  });
});
