/**
 * The lock on a data directory: one process, for as long as it lives, no longer.
 *
 * Three things together, because each alone has a hole:
 *
 *   socket      an abstract unix socket named after the directory's device and
 *               inode (Linux). The kernel frees it when its process dies, however
 *               it dies, and keeps it while the process is merely stopped. Its
 *               owner answers who it is. Not seen from other network namespaces.
 *   LOCK        proper-lockfile's directory, touched every five seconds. Works
 *               everywhere, but by itself cannot tell a killed owner from a
 *               stopped one; so it goes stale only after a day, and we judge
 *               its owner ourselves.
 *   LOCK.owner  who took LOCK: process id, its start time, boot id, name spaces,
 *               and a nonce. Beside LOCK, not in it: LOCK is removed by rmdir.
 *
 * This concerns the real machine and goes to node:fs and node:net directly.
 */
import { randomBytes } from "node:crypto";
import {
  existsSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { hostname } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import lockfile from "proper-lockfile";
import { DatabaseError } from "../errors.js";
import type { NodeId } from "../raft/types.js";

const STALE_MS = 24 * 60 * 60 * 1000;
const UPDATE_MS = 5000;
/** how long an owner on another machine or in another container may give no sign of life */
const SILENT_MS = 30_000;
/** how long the owner of the socket has to say who it is; a stopped one does not */
const ANSWER_MS = 200;
/** how long a contender that no socket holds back may need to overwrite our nonce */
const CONTEND_MS = 50;

/** Who holds a directory. */
interface Owner {
  readonly pid: number;
  /** clock ticks after boot when the process started; "" where that cannot be known */
  readonly startTime: string;
  readonly bootId: string;
  readonly pidNamespace: string;
  readonly host: string;
  readonly nodeId: string;
  /** ISO 8601 */
  readonly since: string;
  readonly nonce: string;
}

export interface LockOptions {
  /** an existing directory */
  readonly path: string;
  readonly nodeId: NodeId;
  /** called at most once, when the lock was lost although this process lives */
  readonly onCompromised: (error: Error) => void;
}

export interface DirectoryLock {
  /** Idempotent. */
  release(): Promise<void>;
}

/** @throws {DatabaseError} DIRECTORY_IN_USE, within half a second and with nothing touched */
export async function lockDirectory(options: LockOptions): Promise<DirectoryLock> {
  const path = realpathSync(options.path);
  const owner = describeSelf(options.nodeId);
  const socket = await bindSocket(path, owner);
  try {
    const releaseLockfile = await takeLockfile(path, owner, socket, options.onCompromised);
    return { release: releaseOnce(path, owner, socket, releaseLockfile) };
  } catch (error) {
    await closeServer(socket);
    throw error;
  }
}

function releaseOnce(
  path: string,
  owner: Owner,
  socket: Server | undefined,
  releaseLockfile: () => Promise<void>,
): () => Promise<void> {
  let released: Promise<void> | undefined;
  const release = async (): Promise<void> => {
    if (readOwner(path)?.nonce === owner.nonce) rmSync(ownerPath(path), { force: true });
    try {
      await releaseLockfile();
    } finally {
      await closeServer(socket);
    }
  };
  return () => (released ??= release());
}

// The socket

/** The bound socket; undefined where there are none. @throws {DatabaseError} DIRECTORY_IN_USE when another has it */
async function bindSocket(path: string, owner: Owner): Promise<Server | undefined> {
  if (process.platform !== "linux") return undefined;
  const { dev, ino } = statSync(path, { bigint: true });
  const name = `\0balsa-lock:${dev.toString()}:${ino.toString()}`;
  const server = createServer((connection) => {
    connection.on("error", () => {
      connection.destroy();
    });
    connection.end(JSON.stringify(owner));
  });
  const failure = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
    server.once("error", resolve);
    server.listen({ path: name, exclusive: true }, () => {
      resolve(undefined);
    });
  });
  if (failure === undefined) {
    server.on("error", () => undefined);
    server.unref();
    return server;
  }
  if (failure.code !== "EADDRINUSE") return undefined; // no abstract sockets here: LOCK decides
  throw inUse(path, (await askOwner(name)) ?? readOwner(path));
}

function askOwner(name: string): Promise<Owner | undefined> {
  return new Promise((resolve) => {
    const connection = connect({ path: name });
    let text = "";
    const finish = (): void => {
      connection.destroy();
      resolve(parseOwner(text));
    };
    connection.setEncoding("utf8");
    connection.setTimeout(ANSWER_MS, finish);
    connection.on("data", (chunk: string) => {
      text += chunk;
      if (text.length > 4096) finish();
    });
    connection.on("end", finish);
    connection.on("error", finish);
  });
}

async function closeServer(server: Server | undefined): Promise<void> {
  if (server === undefined) return;
  await new Promise<void>((resolve) => {
    server.close(() => {
      resolve();
    });
  });
}

// LOCK and LOCK.owner

async function takeLockfile(
  path: string,
  owner: Owner,
  socket: Server | undefined,
  onCompromised: (error: Error) => void,
): Promise<() => Promise<void>> {
  const lockPath = `${path}/LOCK`;
  const takenOver = existsSync(lockPath);
  if (takenOver) {
    const previous = readOwner(path);
    if (isAlive(previous, lockPath)) throw inUse(path, previous);
  }
  // named before LOCK is made, so that a LOCK whose maker was killed has a known owner
  writeOwner(path, owner);
  if (takenOver) removeLock(lockPath);
  let release;
  try {
    release = await lockfile.lock(path, {
      lockfilePath: lockPath,
      realpath: false,
      stale: STALE_MS,
      update: UPDATE_MS,
      onCompromised,
    });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ELOCKED") throw inUse(path, readOwner(path));
    throw error;
  }
  if (takenOver || socket === undefined) {
    await delay(CONTEND_MS);
    const now = readOwner(path);
    if (now?.nonce !== owner.nonce) throw inUse(path, now);
  }
  return release;
}

function removeLock(lockPath: string): void {
  try {
    rmdirSync(lockPath);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}

function ownerPath(path: string): string {
  return `${path}/LOCK.owner`;
}

function writeOwner(path: string, owner: Owner): void {
  const temporary = `${ownerPath(path)}.${owner.nonce}.tmp`;
  writeFileSync(temporary, `${JSON.stringify(owner)}\n`);
  renameSync(temporary, ownerPath(path));
}

function readOwner(path: string): Owner | undefined {
  try {
    return parseOwner(readFileSync(ownerPath(path), "utf8"));
  } catch {
    return undefined;
  }
}

function parseOwner(text: string): Owner | undefined {
  try {
    const parsed = JSON.parse(text) as Record<string, unknown>;
    const word = (key: string): string => {
      const value = parsed[key];
      return typeof value === "string" ? value : "";
    };
    if (!Number.isSafeInteger(parsed["pid"])) return undefined;
    return {
      pid: Number(parsed["pid"]),
      startTime: word("startTime"),
      bootId: word("bootId"),
      pidNamespace: word("pidNamespace"),
      host: word("host"),
      nodeId: word("nodeId"),
      since: word("since"),
      nonce: word("nonce"),
    };
  } catch {
    return undefined;
  }
}

// Who is who

function describeSelf(nodeId: NodeId): Owner {
  return {
    pid: process.pid,
    startTime: processStartTime(process.pid) ?? "",
    bootId: bootId(),
    pidNamespace: pidNamespace(),
    host: hostname(),
    nodeId,
    since: new Date().toISOString(),
    nonce: randomBytes(16).toString("hex"),
  };
}

/**
 * Whether the owner of LOCK may still live. Surely known when it shares our boot
 * and process ids; otherwise (another container or machine, or no owner named)
 * judged by whether LOCK is still being touched.
 */
function isAlive(owner: Owner | undefined, lockPath: string): boolean {
  if (owner?.host === hostname() && owner.bootId !== bootId()) return false;
  if (owner?.bootId === bootId() && owner.pidNamespace === pidNamespace()) {
    if (owner.startTime !== "") return processStartTime(owner.pid) === owner.startTime;
    if (owner.host === hostname()) return processExists(owner.pid);
  }
  try {
    return Date.now() - statSync(lockPath).mtimeMs < SILENT_MS;
  } catch {
    return false;
  }
}

/** undefined when there is no such process, or only a zombie of it. */
function processStartTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // the command, in parentheses, may hold anything; what follows it is fixed
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" || fields[0] === "X" ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

function processExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function bootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
  } catch {
    return "";
  }
}

function pidNamespace(): string {
  try {
    return readlinkSync("/proc/self/ns/pid");
  } catch {
    return "";
  }
}

function inUse(path: string, owner: Owner | undefined): DatabaseError {
  if (owner === undefined)
    return new DatabaseError("DIRECTORY_IN_USE", `data directory ${path} is in use`);
  const place = owner.host === hostname() ? "" : ` on ${owner.host}`;
  const who = `process ${owner.pid}${place} (node ${owner.nodeId})`;
  const message = `data directory ${path} is in use by ${who} since ${owner.since}`;
  return new DatabaseError("DIRECTORY_IN_USE", message);
}
