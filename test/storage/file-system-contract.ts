/** What every FileSystem must do; run on the real disk and on the one in memory. */
import assert from "node:assert/strict";
import { beforeEach, it } from "mocha";
import type { File, FileSystem } from "../../src/storage/file-system.js";

export interface ContractSubject {
  readonly fileSystem: FileSystem;
  /** an empty directory that exists */
  readonly directory: string;
  /** lets *Later calls complete, now or soon */
  settle(): void;
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function textOf(file: File): string {
  const target = new Uint8Array(file.size());
  assert.equal(file.read(target, 0), target.length);
  return new TextDecoder().decode(target);
}

/** Defines the suite; call within `describe`. */
export function fileSystemContract(makeSubject: () => ContractSubject): void {
  let subject: ContractSubject;
  let fileSystem: FileSystem;
  const at = (name: string): string => `${subject.directory}/${name}`;
  const create = (name: string, content = ""): File => {
    const file = fileSystem.open(at(name), "create");
    file.write(bytes(content), 0);
    return file;
  };
  const contentOf = (name: string): string => {
    const file = fileSystem.open(at(name), "read");
    const text = textOf(file);
    file.close();
    return text;
  };

  beforeEach(() => {
    subject = makeSubject();
    fileSystem = subject.fileSystem;
  });

  it("a file gives back what was written, also through another handle", () => {
    const file = create("a", "hello");
    assert.equal(file.path, at("a"));
    assert.equal(textOf(file), "hello");
    assert.equal(contentOf("a"), "hello");
    file.write(bytes("HE"), 0);
    assert.equal(contentOf("a"), "HEllo");
    file.close();
  });

  it("a read is short only at the end of the file", () => {
    const file = create("a", "0123456789");
    const target = new Uint8Array(6);
    assert.equal(file.read(target, 2), 6);
    assert.equal(new TextDecoder().decode(target), "234567");
    assert.equal(file.read(target, 7), 3);
    assert.equal(file.read(target, 10), 0);
    assert.equal(file.read(target, 100), 0);
    assert.equal(file.read(new Uint8Array(0), 0), 0);
    file.close();
  });

  it("a write behind the end leaves zeros before it", () => {
    const file = create("a", "x");
    file.write(bytes("y"), 4);
    assert.equal(textOf(file), "x\0\0\0y");
    file.write(new Uint8Array(0), 50);
    assert.equal(file.size(), 5);
    file.close();
  });

  it("what was cut off does not come back when the file grows again", () => {
    const file = create("a", "0123456789");
    file.truncate(4);
    assert.equal(textOf(file), "0123");
    file.truncate(6);
    assert.equal(textOf(file), "0123\0\0");
    file.write(bytes("z"), 8);
    assert.equal(textOf(file), "0123\0\0\0\0z");
    file.close();
  });

  it("a file keeps nothing of the buffer it was written from", () => {
    const source = bytes("abc");
    const file = fileSystem.open(at("a"), "create");
    file.write(source, 0);
    source.fill(0);
    assert.equal(textOf(file), "abc");
    file.close();
  });

  it("modes say what must exist", () => {
    assert.throws(() => fileSystem.open(at("a"), "read"), { code: "ENOENT" });
    assert.throws(() => fileSystem.open(at("a"), "read-write"), { code: "ENOENT" });
    create("a").close();
    assert.throws(() => fileSystem.open(at("a"), "create"), { code: "EEXIST" });
    assert.throws(() => fileSystem.open(at("no/a"), "create"), { code: "ENOENT" });
    const file = fileSystem.open(at("a"), "read");
    assert.throws(() => {
      file.write(bytes("x"), 0);
    });
    file.close();
  });

  it("names are listed sorted by code unit", () => {
    for (const name of ["b", "a", "B", "10", "9", "é", "z"]) create(name).close();
    fileSystem.makeDirectory(at("inner"));
    assert.deepEqual(fileSystem.list(subject.directory), [
      "10",
      "9",
      "B",
      "a",
      "b",
      "inner",
      "z",
      "é",
    ]);
    assert.throws(() => fileSystem.list(at("no")), { code: "ENOENT" });
  });

  it("directories are made with their parents, and once", () => {
    fileSystem.makeDirectory(at("x/y/z"));
    fileSystem.makeDirectory(at("x/y/z"));
    assert.ok(fileSystem.exists(at("x/y")));
    fileSystem.open(at("x/y/z/a"), "create").close();
    assert.deepEqual(fileSystem.list(at("x/y/z")), ["a"]);
    fileSystem.syncDirectory(at("x/y/z"));
  });

  it("a rename replaces its target and keeps the contents", () => {
    create("a", "new").close();
    create("b", "old").close();
    fileSystem.rename(at("a"), at("b"));
    assert.equal(contentOf("b"), "new");
    assert.ok(!fileSystem.exists(at("a")));
    assert.throws(
      () => {
        fileSystem.rename(at("a"), at("c"));
      },
      { code: "ENOENT" },
    );
    fileSystem.syncDirectory(subject.directory);
  });

  it("an open file outlives its name", () => {
    const file = create("a", "one");
    fileSystem.rename(at("a"), at("b"));
    file.write(bytes("two"), 0);
    assert.equal(contentOf("b"), "two");
    fileSystem.remove(at("b"));
    assert.ok(!fileSystem.exists(at("b")));
    assert.equal(textOf(file), "two");
    file.close();
    assert.throws(
      () => {
        fileSystem.remove(at("b"));
      },
      { code: "ENOENT" },
    );
  });

  /** Starts a later call, checks that it did not complete at once, waits until it has. */
  const complete = async (
    start: (done: (error: Error | undefined) => void) => void,
  ): Promise<Error | undefined> => {
    let returned = false;
    const completion = new Promise<Error | undefined>((resolve) => {
      start((error) => {
        assert.ok(returned, "done is called after the call has returned");
        resolve(error);
      });
    });
    returned = true;
    subject.settle();
    return completion;
  };

  it("later calls complete after they have returned, with what was asked done", async () => {
    const file = create("a");
    const written = await complete((done) => {
      file.writeLater(bytes("later"), 2, done);
    });
    assert.equal(written, undefined);
    assert.equal(textOf(file), "\0\0later");
    const synced = await complete((done) => {
      file.datasyncLater(done);
    });
    assert.equal(synced, undefined);
    file.datasync();
    const truncated = await complete((done) => {
      file.truncateLater(4, done);
    });
    assert.equal(truncated, undefined);
    assert.equal(textOf(file), "\0\0la");
    file.close();
  });

  it("a file removed later is gone when that completes, and once", async () => {
    create("a", "content").close();
    const removed = await complete((done) => {
      fileSystem.removeLater(at("a"), done);
    });
    assert.equal(removed, undefined);
    assert.ok(!fileSystem.exists(at("a")));
    const again = await complete((done) => {
      fileSystem.removeLater(at("a"), done);
    });
    assert.equal((again as NodeJS.ErrnoException | undefined)?.code, "ENOENT");
  });

  it("a directory is synced later, if it is there", async () => {
    create("a").close();
    const synced = await complete((done) => {
      fileSystem.syncDirectoryLater(subject.directory, done);
    });
    assert.equal(synced, undefined);
    const missed = await complete((done) => {
      fileSystem.syncDirectoryLater(at("no"), done);
    });
    assert.equal((missed as NodeJS.ErrnoException | undefined)?.code, "ENOENT");
  });

  it("a file closed while a later call is under way still completes it", async () => {
    const file = create("a");
    const written = await complete((done) => {
      file.writeLater(bytes("x".repeat(100_000)), 0, done);
      file.close();
      file.close();
    });
    assert.equal(written, undefined);
    assert.equal(contentOf("a").length, 100_000);
  });
}
