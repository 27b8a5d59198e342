/** The order in which the rows of a request may stand: request-row.ts has the grammar. */
import type { CompareRelation, ControlCommand, Isolation } from "../store/command.js";
import { MalformedRow } from "./row.js";
import type { RowKind } from "./schema.js";

/** By their numbers in the rows: never reorder, only append. */
export const TARGETS = ["version", "createRevision", "modRevision", "lease", "value"] as const;
export const RELATIONS: readonly CompareRelation[] = ["=", "!=", "<", ">"];
export const ISOLATIONS: readonly Isolation[] = ["serializable", "snapshot"];

/** Commands on keys whose value is told by the schema alone. */
export const PLAIN_KINDS: ReadonlySet<RowKind> = new Set([
  "put",
  "putIfAbsent",
  "putIfPresent",
  "delete",
  "deleteRange",
  "increment",
  "append",
  "setExpiry",
  "get",
] as const);

const CONTROL_KINDS: Readonly<Record<ControlCommand["kind"], true>> = {
  grantLease: true,
  keepLease: true,
  revokeLease: true,
  openSession: true,
  keepSession: true,
  closeSession: true,
  begin: true,
  stage: true,
  savepoint: true,
  rollbackTo: true,
  commit: true,
  rollback: true,
  compact: true,
  expire: true,
};

export function isControlKind(kind: RowKind): kind is ControlCommand["kind"] {
  return kind in CONTROL_KINDS;
}

const WITH_EXPIRY: ReadonlySet<RowKind> = new Set([
  "put",
  "putIfAbsent",
  "putIfPresent",
  "setExpiry",
] as const);
const STAGED: ReadonlySet<RowKind> = new Set([
  "put",
  "delete",
  "deleteRange",
  "expiry",
  "readKey",
  "readRange",
] as const);

/** How far a request has come, in the order of its rows. */
type Phase = "start" | "session" | "mode" | "reads" | "compares" | "commands" | "otherwise";
const PHASES: readonly Phase[] = [
  "start",
  "session",
  "mode",
  "reads",
  "compares",
  "commands",
  "otherwise",
];

export class RequestShape {
  /** a place in PHASES */
  #phase = 0;
  #control: "none" | "done" | "staging" = "none";
  #comparesSeen = false;
  /** commands of the branch that is being read */
  #commandCount = 0;
  #expiryPending = false;

  /** @throws {MalformedRow} when a row of `kind` cannot stand here */
  take(kind: RowKind): void {
    if (this.#expiryPending && !WITH_EXPIRY.has(kind))
      throw malformed("an expiry stands before what cannot have one");
    this.#expiryPending = kind === "expiry";
    if (this.#control === "staging") {
      if (!STAGED.has(kind)) throw malformed(`a row "${kind}" cannot be staged`);
      return;
    }
    if (this.#control === "done") throw malformed(`a row "${kind}" follows what stands alone`);
    if (isControlKind(kind)) this.#takeControl(kind);
    else this.#takePart(kind);
  }

  #takeControl(kind: ControlCommand["kind"]): void {
    if (this.#phase > PHASES.indexOf("session")) throw malformed(`${kind} stands alone`);
    this.#control = kind === "stage" ? "staging" : "done";
  }

  #takePart(kind: RowKind): void {
    switch (kind) {
      case "session":
        this.#moveTo("session", "start");
        return;
      case "each":
        this.#moveTo("mode", "session");
        return;
      case "readKey":
      case "readRange":
        this.#moveTo("reads", "reads");
        return;
      case "compare":
        this.#moveTo("compares", "compares");
        this.#comparesSeen = true;
        return;
      case "otherwise":
        if (!this.#comparesSeen || this.#commandCount === 0)
          throw malformed("what happens otherwise needs compares and commands before it");
        this.#moveTo("otherwise", "commands");
        this.#commandCount = 0;
        return;
      case "noop":
      case "config":
        throw malformed("a request holds a row that is no command");
      default:
        if (this.#phase < PHASES.indexOf("commands")) this.#moveTo("commands", "compares");
        if (kind !== "expiry") this.#commandCount += 1;
    }
  }

  /** @param last the last phase from which that is possible */
  #moveTo(phase: Phase, last: Phase): void {
    if (this.#phase > PHASES.indexOf(last))
      throw malformed("the rows of a request are out of order");
    this.#phase = PHASES.indexOf(phase);
  }

  /** @throws {MalformedRow} when the request cannot end here */
  end(): void {
    if (this.#expiryPending) throw malformed("a request ends with an expiry");
    if (this.#control === "none" && this.#commandCount === 0)
      throw malformed("a request has no command");
  }
}

function malformed(reason: string): MalformedRow {
  return new MalformedRow("malformed", reason);
}
