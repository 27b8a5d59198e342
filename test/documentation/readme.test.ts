/** The README names commands and scripts that exist; its programs are run by pages.test.ts. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, it } from "mocha";

const ROOT = path.resolve(import.meta.dirname, "../../..");
const README = readFileSync(path.join(ROOT, "README.md"), "utf8");

function blocks(language: string): string[] {
  const fence = new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, "g");
  return [...README.matchAll(fence)].map((match) => match[1] ?? "");
}

describe("the README", () => {
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
