/**
 * What this machine can do: the least that a replicated, durable map can be, in plain
 * Node.js, as a yardstick for Balsa.
 *
 * One block a turn of the loop, sent to both followers and written from the same
 * buffer; its own flush beside the network; a write is answered when two of three
 * have flushed it, a read when a follower has answered a round that began after it
 * (ReadIndex), one round a turn for all reads; one write a client a turn.
 *
 * It has no elections, terms, versions, sessions, transactions, recovery, limits or
 * checksums: with any of them it would no longer tell what they cost.
 *
 *   node leader.js DIRECTORY CLIENT_PORT PEER_PORT
 */
import { Buffer } from "node:buffer";
import { createServer, type Socket } from "node:net";
import process from "node:process";
import { readInPlace } from "./accepted.js";
import { ACK_SIZE, applyBlock, Batch, FRAME_HEADER_SIZE, writeFrameHeader } from "./block.js";
import { CeilingLog } from "./ceiling-log.js";
import { CeilingTable } from "./ceiling-table.js";
import { Client, type Done, type Front } from "./client.js";

/** Batches that are kept for the next ones. */
const SPARE_MAX = 16;

interface Follower {
  readonly socket: Socket;
  flushed: number;
}

class Leader implements Front {
  readonly #log: CeilingLog;
  readonly #table = new CeilingTable();
  readonly #followers: Follower[] = [];
  readonly #spare: Batch[] = [];
  /** sealed, and not applied */
  readonly #pending: Batch[] = [];
  #open = new Batch();
  /** clients that wait for a block, for a round, since the last answers; once each */
  readonly #waiting = new Set<Client>();
  readonly #done: { -readonly [Key in keyof Done]: Done[Key] } = { block: 0, round: 0 };
  /** the last sealed block, the last round sent */
  #sealed = 0;
  #roundsSent = 0;
  #hasReads = false;
  #turnIsDue = false;
  #flushed = 0;
  #isFlushing = false;

  constructor(log: CeilingLog) {
    this.#log = log;
  }

  set(from: Buffer, keyAt: number, keySize: number, valueAt: number, valueSize: number): number {
    this.#turnLater();
    if (!this.#open.tryAdd(from, keyAt, keySize, valueAt, valueSize)) {
      this.#seal();
      if (!this.#open.tryAdd(from, keyAt, keySize, valueAt, valueSize)) {
        throw new Error("this value is larger than a block");
      }
    }
    return this.#sealed + 1;
  }

  round(): number {
    this.#turnLater();
    this.#hasReads = true;
    return this.#roundsSent + 1;
  }

  /** Once all sockets of this turn were read. */
  #turnLater(): void {
    if (this.#turnIsDue) return;
    this.#turnIsDue = true;
    setImmediate(() => {
      this.#turn();
    });
  }

  #turn(): void {
    this.#turnIsDue = false;
    if (this.#hasReads) this.#roundsSent += 1;
    if (this.#open.count > 0) this.#seal();
    else if (this.#hasReads) {
      const frame = Buffer.allocUnsafe(FRAME_HEADER_SIZE);
      writeFrameHeader(frame, 0, 0, this.#done.block, this.#roundsSent);
      for (const { socket } of this.#followers) socket.write(frame);
    }
    this.#hasReads = false;
  }

  /** Sends the open batch and writes it: the same bytes. */
  #seal(): void {
    const batch = this.#open;
    this.#sealed += 1;
    const frame = batch.seal(this.#sealed, this.#done.block, this.#roundsSent);
    for (const { socket } of this.#followers) socket.write(frame);
    this.#log.append(batch.bytes, batch.start, batch.end);
    this.#pending.push(batch);
    this.#open = this.#spare.pop() ?? new Batch();
    this.#flush();
  }

  #flush(): void {
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    const number = this.#sealed;
    this.#log.flushBeside((error) => {
      if (error !== null) throw error;
      this.#isFlushing = false;
      this.#flushed = number;
      if (this.#sealed > number) this.#flush();
      this.#commit();
    });
  }

  #onAck(follower: Follower, flushed: number, round: number): void {
    follower.flushed = flushed;
    const isNewRound = round > this.#done.round;
    if (isNewRound) this.#done.round = round;
    if (!this.#commit() && isNewRound) this.#answer();
  }

  /** Applies and answers what two of three have flushed; whether there was any. */
  #commit(): boolean {
    const [one = 0, other = 0] = this.#followers.map(({ flushed }) => flushed);
    const own = this.#flushed;
    const second = Math.max(Math.min(own, one), Math.min(own, other), Math.min(one, other));
    if (second <= this.#done.block) return false;
    this.#done.block = second;
    for (let [batch] = this.#pending; batch !== undefined && batch.number <= second;) {
      this.#pending.shift();
      this.#apply(batch);
      [batch] = this.#pending;
    }
    this.#answer();
    return true;
  }

  #apply(batch: Batch): void {
    applyBlock(this.#table, batch.bytes, batch.start, batch.end);
    // A socket that is behind still needs the bytes.
    const isSent = this.#followers.every(({ socket }) => socket.writableLength === 0);
    if (!isSent || this.#spare.length >= SPARE_MAX) return;
    batch.clear();
    this.#spare.push(batch);
  }

  #answer(): void {
    for (const client of this.#waiting) {
      client.answer(this.#done, this.#table);
      if (!client.isWaiting) this.#waiting.delete(client);
    }
  }

  onClient(accepted: Socket): void {
    const socket = readInPlace(accepted, (chunk) => {
      try {
        client.receive(chunk);
        this.#waiting.add(client);
      } catch (error) {
        socket.end(`-ERR ${error instanceof Error ? error.message : String(error)}\r\n`);
      }
    });
    const client = new Client(socket, this);
    socket.once("close", () => {
      this.#waiting.delete(client);
    });
  }

  onFollower(accepted: Socket): void {
    let rest = Buffer.alloc(0);
    const socket = readInPlace(accepted, (chunk) => {
      const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      const end = bytes.length - (bytes.length % ACK_SIZE);
      rest = Buffer.from(bytes.subarray(end));
      if (end === 0) return;
      // The last one says all.
      this.#onAck(follower, bytes.readUInt32LE(end - ACK_SIZE), bytes.readUInt32LE(end - 4));
    });
    const follower: Follower = { socket, flushed: 0 };
    this.#followers.push(follower);
  }

  /** Followers get all that was sent, and end. */
  async stop(): Promise<void> {
    await Promise.all(
      this.#followers.map(({ socket }) => {
        const closed = new Promise<void>((resolve) => socket.once("close", resolve));
        socket.end();
        return closed;
      }),
    );
    this.#log.close();
  }
}

const [directory = "", clientPort = "", peerPort = ""] = process.argv.slice(2);
const leader = new Leader(new CeilingLog(directory));
const options = { noDelay: true, pauseOnConnect: true };
const peers = createServer(options, (socket) => {
  leader.onFollower(socket);
});
const clients = createServer(options, (socket) => {
  leader.onClient(socket);
});
peers.listen(Number(peerPort), "127.0.0.1", () => {
  clients.listen(Number(clientPort), "127.0.0.1", () => process.stdout.write("ready\n"));
});
const stop = (): void => {
  void leader.stop().finally(() => process.exit());
};
process.once("SIGTERM", stop);
process.once("disconnect", stop);
