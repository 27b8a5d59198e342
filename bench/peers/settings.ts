/** What `npm run bench` and `npm run bench:figures` can be told on their command lines. */
import { numberOf, UsageError, valuesOf } from "../command-words.js";
import { SYSTEM_NAMES, type SystemName } from "../systems/system.js";

export interface PeerSettings {
  readonly peers: readonly SystemName[];
  /** requests in flight */
  readonly points: readonly number[];
  readonly rounds: number;
  readonly seconds: number;
  readonly warmUpSeconds: number;
  /** of load at every point before the first round, for every system: Node compiles what it runs often */
  readonly compileSeconds: number;
  readonly keys: number;
  /** where data lies while it runs */
  readonly directory: string;
  readonly isQuick: boolean;
  /** how long a measurement waits for strangers to be quiet; milliseconds */
  readonly patienceMs: number;
}

export const VALUE_SIZE = 100;
const POINTS: readonly number[] = [1, 100, 1000];

export const USAGE = `  --peers etcd,redis   beside Balsa: ${SYSTEM_NAMES.slice(1).join(", ")} [default: etcd,redis]
  --points 1,100,1000  requests in flight
  --rounds 3           each of which measures every system once a point
  --seconds 3          measured a point, after a second unmeasured
  --keys 100000        different keys
  --dir data           where the systems keep their data, on the disk to be measured
  --quick              everything, shortly: two rounds of one second`;

const OPTIONS = {
  peers: { type: "string" },
  points: { type: "string" },
  rounds: { type: "string" },
  seconds: { type: "string" },
  keys: { type: "string" },
  dir: { type: "string" },
  only: { type: "string" },
  quick: { type: "boolean" },
  help: { type: "boolean" },
} as const;

export interface Words {
  readonly settings: PeerSettings;
  /** `--only`: some parts of many */
  readonly only: readonly string[];
  readonly wantsHelp: boolean;
}

/** @throws {UsageError} that says what is wrong and what to write instead */
export function parseWords(words: readonly string[], directory: string): Words {
  const values = valuesOf(words, OPTIONS, ["rounds", "seconds", "keys"]);
  const isQuick = values.quick === true;
  const only = listOf(values.only);
  return {
    settings: {
      peers: peersOf(values.peers),
      points: pointsOf(values.points),
      rounds: Number(values.rounds ?? (isQuick ? 2 : 3)),
      seconds: Number(values.seconds ?? (isQuick ? 1 : 3)),
      warmUpSeconds: isQuick ? 0.5 : 1,
      compileSeconds: isQuick ? 0.5 : 6,
      keys: Number(values.keys ?? (isQuick ? 20_000 : 100_000)),
      directory: values.dir ?? directory,
      isQuick,
      patienceMs: isQuick ? 500 : 4000,
    },
    only,
    wantsHelp: values.help === true,
  };
}

function listOf(text: string | undefined): readonly string[] {
  return (text ?? "").split(",").filter((part) => part !== "");
}

function peersOf(text: string | undefined): readonly SystemName[] {
  if (text === undefined) return ["etcd", "redis"];
  return listOf(text).map((word) => {
    const name = SYSTEM_NAMES.find((known) => known === word && known !== "balsa");
    if (name !== undefined) return name;
    throw new UsageError(`--peers ${word} is none of ${SYSTEM_NAMES.slice(1).join(", ")}`);
  });
}

function pointsOf(text: string | undefined): readonly number[] {
  if (text === undefined) return POINTS;
  return listOf(text).map((word) => numberOf("--points", word));
}

/** Connections, and requests in flight on each: one each up to a hundred, then twenty on each of fewer. */
export function shapeOf(point: number): {
  readonly connections: number;
  readonly inFlight: number;
} {
  if (point <= 100) return { connections: point, inFlight: 1 };
  const inFlight = 20;
  return { connections: Math.max(1, Math.round(point / inFlight)), inFlight };
}
