/**
 * Programs out of the documentation: all are checked in one go as a user's would
 * be, who imports "balsa-db" by its name, and then each is run by itself.
 *
 * In scope are `db`, a fresh database, and `assert`. What `console.log` prints is
 * compared with the comments behind those lines: `console.log(1 + 1); // 2`. A
 * program that opens, starts or connects to something itself runs in an empty
 * directory, and the ports that it names become free ones.
 */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { format } from "node:util";
import ts from "typescript";
import type { Database } from "../../src/database.js";
import { databaseOver } from "../../src/embedded.js";
import { startNode } from "../../src/server.js";
import { SingleNodeService } from "../client/single-node-service.js";
import { reservePorts } from "../ports.js";
import { ROOT } from "./public-names.js";

export interface Program {
  /** what a failure names */
  readonly name: string;
  readonly text: string;
}

type Run = (db: Database, console: { log(...values: unknown[]): void }) => Promise<void>;

/** Programs that were found right and can be run. */
export interface Compiled extends Disposable {
  /** One message for each mistake, with the name of its program. */
  readonly mistakes: readonly string[];
  /** @throws what the program throws, and when it prints something else than it says */
  run(program: Program): Promise<void>;
}

const OPTIONS: ts.CompilerOptions = {
  strict: true,
  noUnusedLocals: true,
  noUncheckedIndexedAccess: true,
  target: ts.ScriptTarget.ES2022,
  lib: ["lib.es2023.d.ts", "lib.esnext.disposable.d.ts"],
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  types: ["node"],
  skipLibCheck: true,
};

/** Imports stay at the top; all else is the body of a function that is given its scope. */
function moduleOf({ text }: Program): string {
  const source = ts.createSourceFile("program.ts", text, ts.ScriptTarget.ES2022);
  const imports = source.statements.filter((statement) => ts.isImportDeclaration(statement));
  const end = imports.at(-1)?.end ?? 0;
  return [
    'import assert from "node:assert/strict";',
    'import type { Database } from "balsa-db";',
    text.slice(0, end),
    "interface Console { log(...values: unknown[]): void }",
    "export async function run(db: Database, console: Console): Promise<void> {",
    text.slice(end),
    "}",
    "void assert;",
  ].join("\n");
}

/** Inside the package, so that its name is known there; as any file of somebody who installed it. */
export function compile(programs: readonly Program[]): Compiled {
  const directory = mkdtempSync(path.join(ROOT, "dist", "programs-"));
  const files = new Map<string, Program>();
  for (const [i, program] of programs.entries()) {
    const file = path.join(directory, `program-${i}.ts`);
    writeFileSync(file, moduleOf(program));
    files.set(file, program);
  }
  const checked = ts.createProgram([...files.keys()], OPTIONS);
  const mistakes = ts.getPreEmitDiagnostics(checked).map(({ file, start, messageText }) => {
    const message = ts.flattenDiagnosticMessageText(messageText, "\n");
    if (file === undefined) return message;
    const line = file.text.slice(start).split("\n")[0] ?? "";
    return `${files.get(file.fileName)?.name ?? file.fileName}: ${message} at: ${line}`;
  });
  checked.emit();
  const emitted = new Map([...files].map(([file, program]) => [program, file]));
  return {
    mistakes,
    run: async (program) => {
      const file = emitted.get(program);
      assert.ok(file !== undefined, "it was compiled");
      await runFile(program, file.replace(/\.ts$/, ".js"), directory);
    },
    [Symbol.dispose]: () => {
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function runFile(program: Program, file: string, directory: string): Promise<void> {
  if (!/\b(open|startNode|connect)\(/.test(program.text)) {
    const { run } = (await import(pathToFileURL(file).href)) as { run: Run };
    await using db = databaseOver(new SingleNodeService(), () => Promise.resolve());
    await checkPrinted(program, (console) => run(db, console));
    return;
  }
  const place = mkdtempSync(path.join(directory, "place-"));
  mkdirSync(path.join(place, "data"));
  const ports = await reservePorts(6);
  const source = ts.sys.readFile(file) ?? "";
  const moved = source.replaceAll(
    /127\.0\.0\.1:1([34])14([1-3])/g,
    (_, kind: string, n: string) => {
      const port = ports[(kind === "3" ? 0 : 3) + Number(n) - 1];
      return `127.0.0.1:${port ?? 0}`;
    },
  );
  writeFileSync(file, moved);
  const { run } = (await import(pathToFileURL(file).href)) as { run: Run };
  const before = process.cwd();
  process.chdir(place);
  // Who only connects finds a cluster where he looks for it.
  const node = /\bconnect\(/.test(program.text) && !/\bstartNode\(/.test(program.text);
  const peerAddress = `127.0.0.1:${ports[0] ?? 0}`;
  const cluster = node
    ? await startNode({
        id: "n1",
        peerAddress,
        clientAddress: `127.0.0.1:${ports[3] ?? 0}`,
        cluster: new Map([["n1", peerAddress]]),
        dataDirectory: path.join(place, "n1"),
      })
    : undefined;
  try {
    await using db = databaseOver(new SingleNodeService(), () => Promise.resolve());
    await checkPrinted(program, (console) => run(db, console));
  } finally {
    await cluster?.close();
    process.chdir(before);
  }
}

/** Runs it, and compares what it prints with what its comments say. */
async function checkPrinted(
  { text }: Program,
  run: (console: { log(...values: unknown[]): void }) => Promise<void>,
): Promise<void> {
  const printed: string[] = [];
  await run({
    log: (...values) => {
      printed.push(format(...values));
    },
  });
  const said = [...text.matchAll(/console\.log\(.*\);\s*\/\/ (.+)$/gm)].map(([, what]) => what);
  assert.deepEqual(printed, said, "it prints what its comments say");
}
