/** A million keys of 100 bytes: resident memory of a node, and how long one needs to come back. */
import { median } from "../environment.js";
import type { Session } from "../peers/session.js";
import { fillSystem, measureApart } from "../peers/start.js";
import { residentSize } from "../processor-time.js";
import type { System } from "../systems/system.js";
import { firstAnswerMs } from "./first-answer.js";
import type { FigurePart } from "./figure.js";

const KEYS = 1_000_000;
const KEYS_QUICK = 20_000;
const RESTARTS = 3;
const MEGABYTE = 1e6;
const MEMORY_WANTED = 260;
const RESTART_WANTED = 1000;

interface State {
  /** of the largest node, after the load; megabytes */
  readonly loaded: number;
  /** of a node that was started anew; megabytes */
  readonly restarted: number;
  readonly restartMs: number;
}

export const million: FigurePart = {
  name: "million",
  about: "a million keys: memory of a node, restart to the first linearizable answer",
  async measure(session, settings) {
    const keys = settings.isQuick ? KEYS_QUICK : KEYS;
    const restarts = settings.isQuick ? 1 : RESTARTS;
    const { ours, theirs } = await measureApart(session, "etcd", (system) =>
      stateOf(session, system, keys, restarts),
    );
    const quick = settings.isQuick ? `only ${keys} keys; ` : "";
    return [
      {
        what: "resident memory of a node with a million keys",
        relation: "at most",
        wanted: MEMORY_WANTED,
        measured: ours.loaded,
        unit: " MB",
        remark: `${quick}after a restart ${ours.restarted.toFixed(0)} MB; ${memoryOf(theirs)}`,
      },
      {
        what: "restart with a million keys to the first linearizable answer, median",
        relation: "at most",
        wanted: RESTART_WANTED,
        measured: ours.restartMs,
        unit: " ms",
        remark: `${quick}etcd ${theirs === undefined ? "not here" : `${theirs.restartMs.toFixed(0)} ms`}`,
      },
    ];
  },
};

function memoryOf(state: State | undefined): string {
  if (state === undefined) return "etcd not here";
  return `etcd ${state.loaded.toFixed(0)} MB, after a restart ${state.restarted.toFixed(0)} MB`;
}

async function stateOf(
  session: Session,
  system: System,
  keys: number,
  restarts: number,
): Promise<State> {
  await fillSystem(session, system, keys);
  const loaded = largest(system.pids);
  const times: number[] = [];
  let restarted = 0;
  for (let restart = 1; restart <= restarts; restart += 1) {
    session.progress(`million: ${system.name}, restart ${restart} of ${restarts}`);
    await system.leaderPort();
    const [port] = await system.followerPorts();
    if (port === undefined) throw new Error(`${system.name} has no follower`);
    await system.killAt(port);
    const before = new Set(system.pids);
    await system.startAt(port);
    times.push(await firstAnswerMs(system, port));
    restarted = Math.max(restarted, largest(system.pids.filter((pid) => !before.has(pid))));
  }
  return { loaded, restarted, restartMs: median(times) };
}

/** Megabytes of the largest of these processes. */
function largest(pids: readonly number[]): number {
  return Math.max(0, ...pids.map((pid) => (residentSize(pid) ?? 0) / MEGABYTE));
}
