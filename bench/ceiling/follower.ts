/**
 * A follower of the ceiling, a process: what comes is written as it came, flushed on
 * the loop (it has nothing else to do), told to the leader, and applied when the
 * leader says that a majority has it.
 *
 *   node follower.js DIRECTORY LEADER_PORT
 */
import { Buffer } from "node:buffer";
import { connect } from "node:net";
import process from "node:process";
import { ACK_SIZE, applyBlock, FRAME_HEADER_SIZE } from "./block.js";
import { CeilingLog } from "./ceiling-log.js";
import { CeilingTable } from "./ceiling-table.js";

const READ_SIZE = 1024 * 1024;

/** Frames as they came, until they are applied. */
class Frames {
  #bytes = Buffer.allocUnsafeSlow(4 * READ_SIZE);
  /** before it: applied; before `written`: in the file; before `end`: received */
  #applied = 0;
  #written = 0;
  #end = 0;
  #flushed = 0;
  #round = 0;
  #commit = 0;
  readonly #log: CeilingLog;
  readonly #table = new CeilingTable();

  constructor(log: CeilingLog) {
    this.#log = log;
  }

  /** @returns what to tell the leader; undefined when no frame is whole */
  receive(chunk: Buffer): Buffer | undefined {
    this.#keep(chunk);
    const before = this.#written;
    const flushedBefore = this.#flushed;
    const bytes = this.#bytes;
    while (this.#written + FRAME_HEADER_SIZE <= this.#end) {
      const start = this.#written + FRAME_HEADER_SIZE;
      const end = start + bytes.readUInt32LE(this.#written);
      if (end > this.#end) break;
      if (end > start) {
        this.#log.append(bytes, start, end);
        this.#flushed = bytes.readUInt32LE(this.#written + 4);
      }
      this.#commit = bytes.readUInt32LE(this.#written + 8);
      this.#round = bytes.readUInt32LE(this.#written + 12);
      this.#written = end;
    }
    if (this.#written === before) return undefined;
    if (this.#flushed !== flushedBefore) this.#log.flush();
    const ack = Buffer.allocUnsafe(ACK_SIZE);
    ack.writeUInt32LE(this.#flushed, 0);
    ack.writeUInt32LE(this.#round, 4);
    return ack;
  }

  /** Sets what is committed. */
  apply(): void {
    const bytes = this.#bytes;
    while (this.#applied < this.#written) {
      const start = this.#applied + FRAME_HEADER_SIZE;
      const end = start + bytes.readUInt32LE(this.#applied);
      if (bytes.readUInt32LE(this.#applied + 4) > this.#commit) return;
      if (end > start) applyBlock(this.#table, bytes, start, end);
      this.#applied = end;
    }
  }

  #keep(chunk: Buffer): void {
    if (this.#end + chunk.length > this.#bytes.length) {
      const used = this.#bytes.subarray(this.#applied, this.#end);
      const isTight = 2 * (used.length + chunk.length) > this.#bytes.length;
      const target = isTight ? Buffer.allocUnsafeSlow(2 * this.#bytes.length) : this.#bytes;
      used.copy(target);
      this.#bytes = target;
      this.#end -= this.#applied;
      this.#written -= this.#applied;
      this.#applied = 0;
    }
    chunk.copy(this.#bytes, this.#end);
    this.#end += chunk.length;
  }
}

const [directory = "", port = ""] = process.argv.slice(2);
const log = new CeilingLog(directory);
const frames = new Frames(log);
const readBuffer = Buffer.allocUnsafeSlow(READ_SIZE);
const stop = (): void => {
  log.close();
  process.exit();
};
const socket = connect({
  host: "127.0.0.1",
  port: Number(port),
  noDelay: true,
  onread: {
    buffer: readBuffer,
    callback: (size) => {
      const ack = frames.receive(readBuffer.subarray(0, size));
      if (ack !== undefined) socket.write(ack);
      frames.apply();
      return true;
    },
  },
});
socket.once("connect", () => process.stdout.write("ready\n"));
socket.once("close", stop);
process.once("SIGTERM", stop);
process.once("disconnect", stop);
