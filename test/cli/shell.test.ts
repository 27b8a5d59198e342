/** `balsa shell` from its words to its terminal, over a database of this process. */
import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { PassThrough, Readable, Writable } from "node:stream";
import fc from "fast-check";
import { afterEach, beforeEach, describe, it } from "mocha";
import { CommandError } from "../../src/console/failure.js";
import { Output } from "../../src/console/output.js";
import { complete } from "../../src/console/shell-completion.js";
import { historyFile, ShellHistory } from "../../src/console/shell-history.js";
import { ShellState } from "../../src/console/shell-state.js";
import { runScript, runTerminal } from "../../src/console/shell-terminal.js";
import { quoteWord, splitWords } from "../../src/console/shell-words.js";
import type { Database } from "../../src/database.js";
import { databaseOver } from "../../src/embedded.js";
import { SingleNodeService } from "../client/single-node-service.js";

/** Gathers what is written, and tells when a text has come. */
class Screen extends Writable {
  text = "";
  #awaited: { readonly text: string; readonly resolve: () => void } | undefined;

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    if (this.#awaited !== undefined && this.text.includes(this.#awaited.text)) {
      this.#awaited.resolve();
      this.#awaited = undefined;
    }
    done();
  }

  /** Waits for a text behind all that was there when it was last waited for. */
  async shows(text: string): Promise<string> {
    if (!this.text.includes(text))
      await new Promise<void>((resolve) => (this.#awaited = { text, resolve }));
    const seen = this.text;
    this.text = "";
    return seen;
  }
}

interface Scene {
  readonly database: Database;
  readonly service: SingleNodeService;
  readonly screen: Screen;
  readonly notes: string[];
  readonly state: ShellState;
}

function scene(options: { readonly isJson?: boolean; readonly isTerminal?: boolean } = {}): Scene {
  const service = new SingleNodeService();
  const database = databaseOver(service, () => {
    service.stop();
    return Promise.resolve();
  });
  const screen = new Screen();
  const notes: string[] = [];
  const state = new ShellState({
    database,
    output: new Output(screen),
    note: (line) => {
      notes.push(line);
    },
    isJson: options.isJson ?? false,
    isTerminal: options.isTerminal ?? false,
  });
  return { database, service, screen, notes, state };
}

describe("the words of a shell line", () => {
  const lines: readonly { readonly line: string; readonly words: readonly string[] }[] = [
    { line: "", words: [] },
    { line: "  get \t a ", words: ["get", "a"] },
    { line: "put 'a b' \"c d\"", words: ["put", "a b", "c d"] },
    { line: "put '' \"\"", words: ["put", "", ""] },
    { line: String.raw`put a\ b 'c\d'`, words: ["put", "a b", "c\\d"] },
    { line: String.raw`put k "x\ty\n\"z\"\\\u00e9"`, words: ["put", "k", 'x\ty\n"z"\\é'] },
    { line: "put pre'fix 'more", words: ["put", "prefix more"] },
    { line: "# get a", words: [] },
    { line: "get # a", words: ["get", "#", "a"] },
    { line: 'put {"a":1} $x*', words: ["put", "{a:1}", "$x*"] },
    { line: "put k '{\"a\":1}'", words: ["put", "k", '{"a":1}'] },
  ];
  for (const { line, words } of lines) {
    it(`${JSON.stringify(line)} is ${JSON.stringify(words)}`, () => {
      assert.deepEqual(splitWords(line).words, words);
      assert.equal(splitWords(line).open, "");
    });
  }

  it("an open quote is told, and goes on", () => {
    assert.equal(splitWords("put k 'a").open, "'");
    assert.equal(splitWords("put k \"a'").open, '"');
    assert.deepEqual(splitWords("put k 'a\nb'").words, ["put", "k", "a\nb"]);
  });

  it("an escape that is none is refused, not guessed", () => {
    for (const line of [String.raw`put k "\x"`, "put k a\\"])
      assert.throws(() => splitWords(line), CommandError);
  });

  it("a quoted word reads back as it was, in every quote", () => {
    fc.assert(
      fc.property(fc.string(), fc.constantFrom("", "'", '"'), (word, quote) => {
        const quoted = quoteWord(word, quote);
        if (quoted === undefined) return;
        assert.deepEqual(splitWords(`get ${quoted} `).words, ["get", word]);
      }),
      { seed: 20_261_122, numRuns: 500 },
    );
  });
});

describe("a script of shell lines", () => {
  const run = async (
    scenery: Scene,
    lines: readonly string[],
    keepsGoing = false,
  ): Promise<{ code: number; out: string }> => {
    const code = await runScript(scenery.state, Readable.from([lines.join("\n")]), { keepsGoing });
    return { code, out: scenery.screen.text };
  };

  it("answers in order, one line each", async () => {
    const { code, out } = await run(scene(), ["put a 1", "get a", "list", "delete a", "delete a"]);
    assert.equal(out, "revision 2\n1\na\t1\ndeleted, revision 3\nno such key, still revision 3\n");
    assert.equal(code, 0);
  });

  it("a transaction sees its own writes, and others see them after its commit", async () => {
    const scenery = scene({ isJson: true });
    const script = ["put a 0", "begin", "put a 1", "savepoint s", "delete a", "rollback s"];
    const { code, out } = await run(scenery, [...script, "get a", "commit", "get a"]);
    assert.equal(code, 0);
    const answers = out
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    const [, , , , , back, within, committed, after] = answers;
    assert.equal(back?.["status"], "open");
    assert.deepEqual([within?.["value"], within?.["modRevision"]], ["1", 0]);
    assert.deepEqual([committed?.["status"], committed?.["revision"]], ["committed", 3]);
    assert.deepEqual([after?.["value"], after?.["modRevision"]], ["1", 3]);
  });

  const failures: readonly {
    readonly lines: readonly string[];
    readonly exit: number;
    readonly says: RegExp;
  }[] = [
    { lines: ["get nope"], exit: 3, says: /^Error: line 1: there is no key "nope"/ },
    { lines: ["", "frobnicate"], exit: 2, says: /line 2: there is no command frobnicate/ },
    { lines: ["put a"], exit: 2, says: /put needs VALUE\nTry this: put KEY VALUE/ },
    { lines: ["put a b c"], exit: 2, says: /put does not take "c": quote/ },
    { lines: ["get a --limit 3"], exit: 2, says: /--limit/ },
    { lines: ["list --limit 0"], exit: 2, says: /--limit "0" is no whole number/ },
    { lines: ["get ''"], exit: 2, says: /KEY is empty/ },
    { lines: ["put a 1", "put a 2 --if-absent"], exit: 4, says: /line 2/ },
    { lines: ["get a --revision 99"], exit: 3, says: /99/ },
    { lines: ["watch --from 99"], exit: 3, says: /99/ },
    { lines: ["put a 'b"], exit: 2, says: /a quote is open at the end/ },
    { lines: ["commit"], exit: 2, says: /commit: there is no transaction/ },
    { lines: ["begin", "begin"], exit: 2, says: /begin is not for inside/ },
    { lines: ["begin", "put a 1"], exit: 2, says: /ended inside transaction/ },
    { lines: ["begin", "rollback nope"], exit: 2, says: /no such savepoint/ },
    { lines: ["begin", "get a --revision 1"], exit: 2, says: /--revision is not for inside/ },
    { lines: ["resume nonsense"], exit: 2, says: /32 hex digits/ },
    { lines: [`resume ${"00".repeat(16)}`], exit: 3, says: /there is no transaction/ },
    { lines: ["begin", "commit", "commit"], exit: 2, says: /there is no transaction/ },
  ];
  for (const { lines, exit, says } of failures) {
    it(`${JSON.stringify(lines.join("; "))} exits ${exit}`, async () => {
      const scenery = scene();
      const { code } = await run(scenery, lines);
      assert.equal(code, exit);
      assert.match(scenery.notes.join("\n"), says);
      // Whatever happened, nothing stays behind.
      assert.deepEqual(await scenery.database.transactions(), []);
    });
  }

  it("what follows a failure is not done, unless it is asked for; the first failure counts", async () => {
    const lines = ["get nope", "nonsense", "put a 1"];
    const stopping = scene();
    assert.equal((await run(stopping, lines)).code, 3);
    assert.equal(await stopping.database.get("a"), undefined);
    const going = scene();
    assert.equal((await run(going, lines, true)).code, 3);
    assert.notEqual(await going.database.get("a"), undefined);
    assert.equal(going.notes.length, 2);
  });

  it("exit ends it, and what comes behind is not read", async () => {
    assert.deepEqual(await run(scene(), ["exit", "nonsense"]), { code: 0, out: "" });
  });

  it("a conflict ends the transaction: what follows is not taken for a part of it", async () => {
    const scenery = scene();
    const { database, state } = scenery;
    const lines = new PassThrough();
    const ended = runScript(state, lines, { keepsGoing: true });
    lines.write("put a 1\nbegin\nget a\n");
    await scenery.screen.shows("revision 2");
    await scenery.screen.shows("\n1\n");
    await database.put("a", "2");
    lines.end("put b 1\ncommit\nput c 1\n");
    assert.equal(await ended, 4);
    assert.match(scenery.notes.join("\n"), /is over[^]*line 5/);
    assert.equal(await database.get("b"), undefined);
    assert.notEqual(await database.get("c"), undefined);
  });

  it("one that has expired is over, and the line that finds out fails", async () => {
    const scenery = scene();
    const { service, state } = scenery;
    const lines = new PassThrough();
    const ended = runScript(state, lines, { keepsGoing: false });
    lines.write("begin --idle 1s\n");
    while (state.transaction === undefined) await new Promise(setImmediate);
    service.passTime(5000);
    lines.end("put a 1\ncommit\n");
    assert.equal(await ended, 3);
    assert.equal(state.transaction, undefined);
  });

  it("what is detached stays open, and is resumed", async () => {
    const scenery = scene();
    const { code, out } = await run(scenery, ["begin", "put a 1", "detach"]);
    assert.equal(code, 0);
    const id = out.split("\n")[0] ?? "";
    assert.equal((await run(scenery, [`resume ${id}`, "get a", "commit"])).code, 0);
    assert.notEqual(await scenery.database.get("a"), undefined);
  });
});

describe("completion in the shell", () => {
  let scenery: Scene;
  beforeEach(async () => {
    scenery = scene();
    for (const key of ["user:1", "user:2", "other", "b c", "it's", "tab\t", "\u0000"])
      await scenery.database.put(key, "x");
    await scenery.database.put(Uint8Array.of(0xff), "x");
  });

  const cases: readonly (readonly [line: string, hits: readonly string[], typed: string])[] = [
    ["ge", ["get "], "ge"],
    ["r", ["resume", "rollback"], "r"],
    ["get user:", ["user:1", "user:2"], "user:"],
    ["get o", ["other "], "o"],
    ["get b", ["b\\ c "], "b"],
    ["get 'b", ["'b c' "], "'b"],
    ['get "it', ['"it\'s" '], '"it'],
    ["get nothing", [], "nothing"],
    ["put other ", [], ""],
    ["history a --", ["--limit", "--oldest-first"], "--"],
    ["help hi", ["history "], "hi"],
    ["nonsense x", [], "x"],
    ['get "\\', [], ""],
  ];
  for (const [line, hits, typed] of cases) {
    it(`${JSON.stringify(line)} is offered ${JSON.stringify(hits)}`, async () => {
      assert.deepEqual(await complete(scenery.state, line), [hits, typed]);
    });
  }

  it("keys that nobody can type are not offered", async () => {
    const [hits] = await complete(scenery.state, "get ");
    assert.deepEqual(hits, ["b\\ c", "it\\'s", "other", "user:1", "user:2"]);
  });

  it("savepoints are offered to rollback", async () => {
    await runScript(scenery.state, Readable.from(["begin\nsavepoint one\nsavepoint two\ndetach"]), {
      keepsGoing: false,
    });
    const transaction = await scenery.database.begin();
    scenery.state.enter(transaction, false);
    scenery.state.noteSavepoint("one");
    assert.deepEqual(await complete(scenery.state, "rollback o"), [["one "], "o"]);
  });

  it("no answer is no completion, not a failure", async () => {
    scenery.service.mood = "leaderless";
    assert.deepEqual(await complete(scenery.state, "get u"), [[], "u"]);
  });
});

describe("the shell at a terminal", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), "balsa-shell-"));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it("the prompt tells the transaction, Tab completes, Ctrl-C stops, Ctrl-D leaves", async () => {
    const { state, screen, notes, database } = scene({ isTerminal: true });
    const input = new PassThrough();
    const history = new ShellHistory(path.join(folder, "history"));
    const ended = runTerminal(state, { input, output: screen, history });
    const type = async (keys: string, until: string): Promise<string> => {
      input.write(keys);
      return screen.shows(until);
    };
    await screen.shows("balsa> ");
    assert.match(await type("put greeting hello\r", "balsa> "), /revision 2\n/);
    await type("get gr\t", "eeting ");
    assert.match(await type("\r", "balsa> "), /hello\n/);
    await type("begin\r", ")> ");
    await type("put a 'x\r", "...> ");
    assert.match(await type("y'\r", "*)> "), /balsa\(tx [0-9a-f]{4}\*\)> /);
    assert.match(await type("get a\r", ")> "), /x\\ny\n/, "no raw newline on a terminal");
    await type("watch\r", "\n");
    while (!notes.includes("caught up at revision 2")) await new Promise(setImmediate);
    await type("\u0003", ")> ");
    await type("put half\u0003", "^C\n");
    await type("get nope\r", "nope");
    while (!notes.some((note) => note.includes('no key "nope"'))) await new Promise(setImmediate);
    input.write("\u0004");
    await ended;
    assert.match(notes.at(-1) ?? "", /was not committed: rolled back$/);
    assert.equal(await database.get("a"), undefined);
    assert.deepEqual(new ShellHistory(path.join(folder, "history")).load(), [
      "put greeting hello",
      "get greeting ",
      "begin",
      "get a",
      "watch",
      "get nope",
    ]);
  });

  it("the history is its owner's alone, without secrets and repetitions, and bounded", () => {
    const file = path.join(folder, "below", "history");
    const history = new ShellHistory(file);
    assert.deepEqual(history.load(), []);
    for (const line of ["get a", "get a", " put password 1", "", "get b"]) history.add(line);
    assert.equal(readFileSync(file, "utf8"), "get a\nget b\n");
    assert.equal(statSync(file).mode & 0o777, 0o600);
    chmodSync(file, 0o644);
    assert.deepEqual(new ShellHistory(file).load(), ["get a", "get b"]);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    writeFileSync(file, Array.from({ length: 2500 }, (_, at) => `get ${at}\n`).join(""));
    assert.equal(new ShellHistory(file).load().length, 1000);
    assert.equal(readFileSync(file, "utf8").split("\n")[0], "get 1500");
  });

  it("a history that cannot be kept is none", () => {
    const file = path.join(folder, "file");
    writeFileSync(file, "");
    const history = new ShellHistory(path.join(file, "history"));
    assert.deepEqual(history.load(), []);
    history.add("get a");
  });

  it("the history is where the user's state is, or in their home", () => {
    assert.equal(historyFile({}, "/home/u"), "/home/u/.balsa_history");
    assert.equal(historyFile({ XDG_STATE_HOME: "/state" }, "/home/u"), "/state/balsa/history");
    assert.equal(historyFile({ XDG_STATE_HOME: "state" }, "/home/u"), "/home/u/.balsa_history");
  });
});
