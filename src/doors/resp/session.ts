/** What one connection has told about itself. */
export class Session {
  /** the connection's number at its door */
  readonly id: number;
  readonly remoteAddress: string;
  readonly localAddress: string;
  readonly #since: number;
  readonly #now: () => number;
  name = "";
  libraryName = "";
  libraryVersion = "";
  /** the command under way or last run, as CLIENT LIST shows it */
  lastCommand = "";

  constructor(options: {
    readonly id: number;
    readonly remoteAddress: string;
    readonly localAddress: string;
    readonly now: () => number;
  }) {
    this.id = options.id;
    this.remoteAddress = options.remoteAddress;
    this.localAddress = options.localAddress;
    this.#now = options.now;
    this.#since = options.now();
  }

  /** seconds, whole */
  get age(): number {
    return Math.floor((this.#now() - this.#since) / 1000);
  }
}

/** Whether `text` may be a name: printable ASCII without spaces, as Redis has it. */
export function isClientName(text: string): boolean {
  return /^[!-~]*$/.test(text);
}
