import assert from "node:assert/strict";
import { Writable } from "node:stream";
import { describe, it } from "mocha";
import type { Row } from "../../src/codec/block.js";
import type { RowKind } from "../../src/codec/schema.js";
import { readAll } from "../../src/console/input.js";
import { logLine, logText } from "../../src/console/log-lines.js";
import { Output, OutputClosed } from "../../src/console/output.js";
import { statusLines } from "../../src/console/status-table.js";
import { bytesField, grouped, printable, textTable } from "../../src/console/text.js";
import { corruptions, verifyJson, verifyLines } from "../../src/console/verify-report.js";
import { LogIndex } from "../../src/raft/types.js";
import type { DirectoryReport } from "../../src/storage/verification.js";

function rowOf(kind: RowKind, key = "k", value = "v"): Row {
  return {
    index: 7,
    term: 2,
    time: Date.UTC(2026, 0, 2, 3, 4, 5, 6),
    checksum: 0xabc,
    kind,
    more: false,
    request: Buffer.from("00112233445566778899aabbccddeeff", "hex"),
    key: Buffer.from(key, "latin1"),
    value: Buffer.from(value, "latin1"),
  };
}

describe("rows of the log", () => {
  const kinds: readonly { kind: RowKind; value?: string; want: Record<string, unknown> }[] = [
    { kind: "noop", want: { kind: "noop" } },
    {
      kind: "config",
      value: '{"voters":["n1"]}',
      want: { kind: "config", members: { voters: ["n1"] } },
    },
    { kind: "put", want: { kind: "put", key: "k", value: "v" } },
    { kind: "putIfAbsent", want: { kind: "put", condition: "absent", key: "k", value: "v" } },
    { kind: "putIfPresent", want: { kind: "put", condition: "present", key: "k", value: "v" } },
    { kind: "delete", want: { kind: "delete", key: "k" } },
    { kind: "deleteRange", value: "z", want: { kind: "deleterange", key: "k", end: "z" } },
    { kind: "increment", value: "-5", want: { kind: "increment", key: "k", by: "-5" } },
    { kind: "append", want: { kind: "append", key: "k", value: "v" } },
  ];
  for (const { kind, value, want } of kinds) {
    it(`${kind} is a line of kind ${String(want["kind"])}, in lower case`, () => {
      const line = logLine(rowOf(kind, "k", value ?? "v"));
      const { index, term, time, request, more, checksum, ...rest } = line;
      assert.deepEqual(rest, want);
      assert.deepEqual(
        { index, term, more, checksum },
        { index: 7, term: 2, more: false, checksum: "00000abc" },
      );
      assert.equal(time, "2026-01-02T03:04:05.006Z");
      assert.equal(request, "00112233445566778899aabbccddeeff");
      assert.match(
        logText(rowOf(kind), true),
        new RegExp(`^ +7 +2 +2026.* ${String(want["kind"])}`),
      );
    });
  }

  it("bytes that are not UTF-8 come as base64", () => {
    const line = logLine(rowOf("put", "\xff", "\xfe"));
    assert.deepEqual(
      [line["keyBase64"], line["valueBase64"], line["key"]],
      ["/w==", "/g==", undefined],
    );
  });
});

describe("text", () => {
  const shown: readonly { bytes: Buffer; max: number; want: string }[] = [
    { bytes: Buffer.from("plain"), max: 10, want: "plain" },
    { bytes: Buffer.from("a\n\x1b[31m"), max: 20, want: "a\\n\\x1b[31m" },
    { bytes: Buffer.from("abcdef"), max: 4, want: "abc…" },
    { bytes: Buffer.from("ab🌳"), max: 4, want: "ab🌳" },
    { bytes: Buffer.from("ab🌳cd"), max: 4, want: "ab…" },
    { bytes: Buffer.of(0xff, 0), max: 10, want: "0xff00" },
  ];
  for (const { bytes, max, want } of shown) {
    it(`shows ${bytes.toString("hex")} as ${want}`, () => {
      assert.equal(printable(bytes, max), want);
    });
  }

  it("a field's name says whether it is text", () => {
    assert.deepEqual(bytesField("value", Buffer.from("é")), { value: "é" });
    assert.deepEqual(bytesField("value", Buffer.of(0x80)), { valueBase64: "gA==" });
  });

  it("a view of a larger buffer is read as the view", () => {
    assert.deepEqual(bytesField("key", new Uint8Array([1, 97, 98, 2]).subarray(1, 3)), {
      key: "ab",
    });
  });

  it("columns are as wide as their widest cell, numbers to the right", () => {
    assert.deepEqual(
      textTable(
        ["A", "N"],
        [
          ["xyz", "1"],
          ["x", "100"],
        ],
        new Set(["N"]),
      ),
      ["A      N", "xyz    1", "x    100"],
    );
    assert.equal(grouped(1_234_567.4), "1 234 567");
  });

  it("the status names the leader and dashes what is unknown", () => {
    const lines = statusLines({
      clusterId: "c0",
      leader: "n1",
      term: 4,
      nodes: [
        {
          id: "n1",
          role: "leader",
          term: 4,
          alive: true,
          lastIndex: 9,
          commitIndex: 9,
          appliedIndex: 8,
          matchIndex: 9,
          lag: 0,
          peer: "p:1",
          client: "c:1",
          reason: null,
        },
        {
          id: "n2",
          role: "unknown",
          term: null,
          alive: false,
          lastIndex: null,
          commitIndex: null,
          appliedIndex: null,
          matchIndex: 3,
          lag: 6,
          peer: "p:2",
          client: null,
          reason: null,
        },
      ],
    });
    assert.equal(lines[0], "cluster c0: leader n1 in term 4, 1 of 2 nodes alive");
    assert.match(lines[4] ?? "", /^n2 +unknown +no +- +- +- +- +3 +6 +- +p:2 +-$/);
  });
});

describe("the report of log verify", () => {
  const report: DirectoryReport = {
    segmentCount: 2,
    archivedCount: 1,
    snapshotCount: 2,
    entryCount: 5,
    byteCount: 12_345,
    firstIndex: LogIndex(1),
    lastIndex: LogIndex(5),
    checksum: 255,
    damages: [{ file: "s2", offset: 9, index: LogIndex(6), reason: "cut off", harmless: true }],
  };
  it("what a crash leaves is no corruption", () => {
    assert.deepEqual(corruptions(report), []);
    assert.equal(verifyJson("d", report)["sound"], true);
    assert.match(
      verifyLines("d", report).join("\n"),
      /every byte is sound[^]*in the archive[^]*2 snapshots[^]*harmless/,
    );
  });
  it("anything else is", () => {
    const damages = [
      { file: "s1", offset: 1, index: LogIndex(2), reason: "checksum", harmless: false },
    ];
    const worse = { ...report, damages };
    assert.equal(corruptions(worse).length, 1);
    assert.match(verifyLines("d", worse).join("\n"), /CORRUPT[^]*damage: s1 at offset 1, index 2/);
  });
});

describe("standard output", () => {
  it("keeps bytes exact and in order", async () => {
    const seen: Buffer[] = [];
    const output = new Output(
      new Writable({
        write: (chunk: Buffer, _encoding, done) => {
          seen.push(chunk);
          done();
        },
      }),
    );
    await output.write(Buffer.of(0, 255));
    await output.write("é");
    await output.json({ a: 1 });
    await output.flush();
    assert.deepEqual(
      Buffer.concat(seen),
      Buffer.concat([Buffer.of(0, 255), Buffer.from('é{"a":1}\n')]),
    );
  });

  it("waits for a slow reader instead of gathering without bound", async () => {
    let pending: (() => void) | undefined;
    const stream = new Writable({ write: (_chunk, _encoding, done) => (pending = done) });
    const output = new Output(stream);
    let written = false;
    const writing = output.write(Buffer.alloc(100_000)).then(() => (written = true));
    await new Promise(setImmediate);
    assert.equal(written, false);
    pending?.();
    await writing;
    assert.equal(written, true);
  });

  it("a reader that went away ends the command, not with an error of its own", async () => {
    const gone = Object.assign(new Error("write EPIPE"), { code: "EPIPE" });
    const stream = new Writable({
      write: (_chunk, _encoding, done) => {
        done(gone);
      },
    });
    stream.on("error", () => undefined);
    const output = new Output(stream);
    await output.write("x");
    await assert.rejects(output.flush(), OutputClosed);
  });
});

describe("standard input", () => {
  async function* chunks(): AsyncGenerator<Uint8Array> {
    yield Buffer.of(0, 10);
    yield Buffer.of(255, 32);
  }
  it("is read as it is", async () => {
    assert.deepEqual(Buffer.from(await readAll(chunks(), 4)), Buffer.of(0, 10, 255, 32));
  });
  it("is refused beyond its bound", async () => {
    await assert.rejects(readAll(chunks(), 3), /more than 3 bytes/);
  });
});
