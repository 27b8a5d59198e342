/** A pipeline of GETs whose client takes so many replies and no more, and whose node looks when it is told to. */
import { ReadTurns } from "../../../src/doors/read-turns.js";
import { Pipeline } from "../../../src/doors/resp/pipeline.js";
import { ReplyWriter, type ReplySink } from "../../../src/doors/resp/reply.js";
import { Session } from "../../../src/doors/resp/session.js";
import type { ReadDone } from "../../../src/node/service.js";
import { Lookups } from "../../../src/store/lookups.js";
import { del, put, request } from "../../store/requests.js";
import { SingleNodeService } from "../single-node-service.js";

const ROOM_SIZE = 64 * 1024;

class AskedService extends SingleNodeService {
  #asked: ReadDone[] = [];

  override read(_timeoutMs: number, done: ReadDone): void {
    this.#asked.push(done);
  }

  override whenRevision(_revision: number, _timeoutMs: number, done: ReadDone): () => void {
    this.#asked.push(done);
    return () => undefined;
  }

  look(): void {
    const asked = this.#asked;
    this.#asked = [];
    for (const done of asked) done(undefined, this.store);
  }
}

/** Every reply is one piece. */
class CountingSink implements ReplySink {
  readonly bytes: Buffer = Buffer.alloc(ROOM_SIZE);
  readonly ends: number[] = [];
  #end = 0;

  reserve(size: number): number {
    this.#end += size;
    this.ends.push(this.#end);
    return this.#end - size;
  }

  write(bytes: Uint8Array): void {
    this.bytes.set(bytes, this.reserve(bytes.length));
  }

  writeLatin1(text: string): void {
    this.write(Buffer.from(text, "latin1"));
  }
}

export class PausingScene {
  readonly #service = new AskedService();
  readonly #sink = new CountingSink();
  readonly #pipeline: Pipeline;
  #replyCountMax = 0;
  #told = 0;

  constructor() {
    this.#pipeline = new Pipeline({
      service: this.#service,
      turns: new ReadTurns(this.#service),
      lookups: new Lookups(),
      session: new Session({ id: 1, remoteAddress: "", localAddress: "", now: () => 0 }),
      reply: new ReplyWriter(this.#sink),
      timeoutMs: 1000,
      mustPause: () => this.#sink.ends.length >= this.#replyCountMax,
      onLast: () => undefined,
      onProgress: () => undefined,
    });
  }

  /** How many more replies the client takes. */
  set room(count: number) {
    this.#replyCountMax = this.#sink.ends.length + count;
  }

  put(key: string, value: string): void {
    this.#service.store.apply(request(put(key, value)));
  }

  delete(key: string): void {
    this.#service.store.apply(request(del(key)));
  }

  /** So many GETs of a key, which came together. */
  ask(count: number, key: string): void {
    const bytes = Buffer.from(key);
    const place = { keyStart: 0, keySize: bytes.length, valueStart: 0, valueSize: 0 };
    this.room = count;
    for (let i = 0; i < count; i++) {
      this.#pipeline.enqueuePlain("get", { bytes, plainSize: bytes.length, ...place });
    }
    this.#pipeline.advance();
  }

  look(): void {
    this.#service.look();
  }

  goOn(): void {
    this.#pipeline.goOn();
    this.look();
  }

  /** Those that came since it was asked last. */
  replies(): readonly string[] {
    const { ends, bytes } = this.#sink;
    const replies = ends
      .slice(this.#told)
      .map((end, at) => bytes.toString("latin1", ends[this.#told + at - 1] ?? 0, end));
    this.#told = ends.length;
    return replies;
  }
}
