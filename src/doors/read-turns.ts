/**
 * How long the reads of all clients of a door hold up the node's loop in one go:
 * a few milliseconds, however many of them came together. Who comes when that is
 * used up waits in a queue, and the others have their turn in between.
 *
 *   read   looked up at once, while time is left and nobody waits
 *   wait   behind everybody who waits; so clients take turns, each at least one read
 *
 * A later look is as good as the one that was waited for: the own store only goes
 * on, and holds by then what it held before. Reads that cost next to nothing, of
 * single keys, are not counted and do not wait.
 *
 * Time is the service's: where it stands still, as in a simulation, nobody waits.
 */
import type { DatabaseError } from "../errors.js";
import type { ChangeDone, KeyRange, NodeService, ReadDone, StoreView } from "../node/service.js";

/** Milliseconds of reads in one go; the last one may take longer. */
const TURN_MS_MAX = 2;
/** Milliseconds; the store has come to its beginning, so that this is not waited for. */
const ANY_MS = 1000;

type ReadService = Pick<NodeService, "read" | "whenRevision" | "whenChanged" | "now">;

export class ReadTurns {
  readonly #service: ReadService;
  #waiting: ReadDone[] = [];
  #spentMs = 0;
  /** those who wait are served at this moment */
  #inTurn = false;
  #isTurnDue = false;

  constructor(service: ReadService) {
    this.#service = service;
  }

  /** Calls `done` with a look at the store in a later turn of the loop, when it is its turn. */
  wait(done: ReadDone): void {
    this.#waiting.push(done);
    if (!this.#inTurn && !this.#isTurnDue) this.#askForTurn();
  }

  /**
   * Serves a read, part by part, as long as that need not wait.
   *
   * @param serve "again": there is another part
   * @returns whether it has come to its end
   */
  tryServing(serve: () => "done" | "again"): boolean {
    while (!this.#mustWait) {
      const begunAt = this.#service.now();
      const outcome = serve();
      this.#spentMs += this.#service.now() - begunAt;
      if (outcome === "done") return true;
    }
    return false;
  }

  /** As the service's, and `done` in its turn. */
  read(timeoutMs: number, done: ReadDone): void {
    this.#service.read(timeoutMs, (error, view) => {
      this.#serve(error, view, done);
    });
  }

  /** As the service's, and `done` in its turn. */
  whenChanged(range: KeyRange, since: number, timeoutMs: number, done: ChangeDone): () => void {
    let wanted = true;
    const giveUp = this.#service.whenChanged(range, since, timeoutMs, (error, view, from) => {
      this.#serve(error, view, (laterError, laterView) => {
        if (wanted) done(laterError, laterView, from);
      });
    });
    return () => {
      wanted = false;
      giveUp();
    };
  }

  #serve(error: DatabaseError | undefined, view: StoreView | undefined, done: ReadDone): void {
    if (error !== undefined) {
      done(error, view);
      return;
    }
    const isServed = this.tryServing(() => {
      done(undefined, view);
      return "done";
    });
    if (isServed) return;
    this.wait((laterError, laterView) => {
      this.#serve(laterError, laterView, done);
    });
  }

  get #mustWait(): boolean {
    return this.#spentMs >= TURN_MS_MAX || (this.#waiting.length > 0 && !this.#inTurn);
  }

  #askForTurn(): void {
    this.#isTurnDue = true;
    this.#service.whenRevision(0, ANY_MS, (error, view) => {
      this.#isTurnDue = false;
      this.#takeTurn(error, view);
    });
  }

  /** Serves those who wait while there is time; who comes again meanwhile comes behind them. */
  #takeTurn(error: DatabaseError | undefined, view: StoreView | undefined): void {
    this.#spentMs = 0;
    this.#inTurn = true;
    let count = 0;
    while (count < this.#waiting.length && (error !== undefined || this.#spentMs < TURN_MS_MAX)) {
      this.#waiting[count++]?.(error, view);
    }
    this.#waiting = this.#waiting.slice(count);
    this.#inTurn = false;
    if (this.#waiting.length > 0) this.#askForTurn();
  }
}
