/** What a page draws: runs of `balsa bench run`, and rows of a comparison with peers, alike. */
import { environmentLine, type Environment } from "../environment.js";
import { Latencies } from "../latencies.js";
import type { Measurement } from "../peers/matrix.js";
import { usageError } from "../../src/console/failure.js";
import { formatOf, readJson, RUN_FORMAT, type RunFile } from "../run-file.js";
import { latenciesOf, type Measured } from "../run-load.js";

export const PEERS_FORMAT = "balsa-bench-peers/1";

/** What `npm run bench` keeps. */
export interface PeersFile {
  readonly format: typeof PEERS_FORMAT;
  readonly time: string;
  readonly environment: Environment;
  readonly measurements: readonly Measurement[];
}

export interface Series {
  readonly label: string;
  /** what it may be compared with: the same work */
  readonly group: string;
  /** requests due a second; 0: a closed loop */
  readonly rate: number;
  /** of each repetition */
  readonly opsPerSecond: readonly number[];
  readonly latencies: Latencies;
  readonly errors: number;
  /** null where it is not told */
  readonly cpuSecondsPer100k: number | null;
  readonly remarks: readonly string[];
  readonly time: string;
  readonly environment: string;
}

/** @throws {CommandError} usage, when a file is none of ours */
export function readSeries(file: string): readonly Series[] {
  const content = readJson(file);
  const format = formatOf(content);
  if (format === RUN_FORMAT) return [runSeries(content as RunFile)];
  if (format === PEERS_FORMAT) return peersSeries(content as PeersFile);
  throw usageError(
    `${file} is nothing that was measured here`,
    "files of balsa bench run --out, or of npm run bench",
  );
}

export function runSeries(run: RunFile): Series {
  const { workload, door, nodes, connections, inFlight, rate, valueSize, distribution } = run;
  const load = rate === 0 ? `${connections} × ${inFlight} in flight` : "open loop";
  return {
    label: rate === 0 ? run.label : `${run.label} at ${rate}/s`,
    group: `${workload}, ${door}, ${nodes} nodes, ${load}, ${valueSize} bytes, ${distribution}`,
    rate,
    ...measuredOf(run.repetitions),
    remarks: run.remarks,
    time: run.time,
    environment: environmentLine(run.environment),
  };
}

function peersSeries(file: PeersFile): readonly Series[] {
  const groups = new Map<string, Measurement[]>();
  for (const one of file.measurements) {
    const key = `${one.operation}, ${one.point} in flight|${one.system}`;
    groups.set(key, [...(groups.get(key) ?? []), one]);
  }
  return [...groups].map(([key, rounds]) => {
    const [group = "", label = ""] = key.split("|");
    return {
      label,
      group,
      rate: 0,
      ...measuredOf(rounds),
      remarks: rounds.some(({ leaderMoved }) => leaderMoved) ? ["the leader moved meanwhile"] : [],
      time: file.time,
      environment: environmentLine(file.environment),
    };
  });
}

function measuredOf(
  repetitions: readonly Measured[],
): Pick<Series, "opsPerSecond" | "latencies" | "errors" | "cpuSecondsPer100k"> {
  const latencies = new Latencies();
  for (const one of repetitions) latencies.add(latenciesOf(one));
  const operations = repetitions.reduce((sum, one) => sum + one.operations, 0);
  const cpu = repetitions.reduce<number | null>(
    (sum, { serverCpuSeconds: own }) => (sum === null || own === null ? null : sum + own),
    0,
  );
  return {
    opsPerSecond: repetitions.map(({ opsPerSecond }) => opsPerSecond),
    latencies,
    errors: repetitions.reduce((sum, { errors }) => sum + errors, 0),
    cpuSecondsPer100k: cpu === null || operations === 0 ? null : (cpu / operations) * 100_000,
  };
}
