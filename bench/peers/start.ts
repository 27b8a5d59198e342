/** Starts the systems that are to be compared; what is not installed is left out, and that is said. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { grouped } from "../../src/console/text.js";
import type { WorkloadName } from "../load/workload.js";
import { awaitQuiet } from "../processor-time.js";
import { runLoad, type Measured } from "../run-load.js";
import { startBalsa, type BalsaOptions } from "../systems/balsa.js";
import { startCeiling } from "../systems/ceiling.js";
import { etcdVersion, startEtcd } from "../systems/etcd.js";
import { natsVersion, startNats } from "../systems/nats.js";
import { redisVersion, startRedis } from "../systems/redis.js";
import type { System, SystemName } from "../systems/system.js";
import type { Session } from "./session.js";
import { VALUE_SIZE } from "./settings.js";

type PeerName = Exclude<SystemName, "balsa">;
type Installed = Exclude<PeerName, "ceiling">;

const PACKAGES: Readonly<Record<Installed, string>> = {
  etcd: "etcd-server",
  redis: "redis-server",
  "redis-wait": "redis-server",
  nats: "nats-server",
};

const FILL = {
  connections: 50,
  inFlight: 20,
  warmUpSeconds: 0,
  seconds: 0,
  patienceMs: 0,
} as const;

function balsaVersion(): string {
  const text = readFileSync(path.resolve(import.meta.dirname, "../../../package.json"), "utf8");
  return (JSON.parse(text) as { readonly version: string }).version;
}

interface OwnOptions extends Partial<Omit<BalsaOptions, "directory" | "version">> {
  /** its directory's name, where there are several clusters */
  readonly place?: string;
}

/** Starts Balsa. It is stopped with the session. */
export async function startOwn(session: Session, options: OwnOptions = {}): Promise<System> {
  const { place = "balsa", ...others } = options;
  const system = await startBalsa({
    nodes: 3,
    ...others,
    directory: path.join(session.directory, place),
    version: balsaVersion(),
  });
  session.running.push(system);
  return system;
}

/** Starts Balsa and the peers that are installed, to be measured in turn, and sets the keys of each. */
export async function startTogether(
  session: Session,
  peers: readonly SystemName[],
  keys: number,
): Promise<void> {
  await startOwn(session);
  for (const name of peers) if (name !== "balsa") await startPeer(session, name);
  for (const system of session.running) await fillSystem(session, system, keys);
}

/** Measures Balsa and then a peer, each alone on the machine; a peer that is not installed not at all. */
export async function measureApart<T>(
  session: Session,
  peer: PeerName,
  measure: (system: System) => Promise<T>,
): Promise<{ readonly ours: T; readonly theirs: T | undefined }> {
  const own = await startOwn(session);
  const ours = await measure(own);
  await own.stop();
  const other = await startPeer(session, peer);
  const theirs = other === undefined ? undefined : await measure(other);
  await other?.stop();
  return { ours, theirs };
}

/** Says so when it is not installed. It is stopped with the session. */
export async function startPeer(session: Session, name: PeerName): Promise<System | undefined> {
  const system = await startInstalled(session, name);
  if (system !== undefined) session.running.push(system);
  return system;
}

async function startInstalled(
  { directory, say }: Session,
  name: PeerName,
): Promise<System | undefined> {
  const place = path.join(directory, name);
  if (name === "ceiling") return startCeiling(place);
  const version = versionOf(name);
  if (version === undefined) {
    say(`!! ${name} is NOT INSTALLED and left out: nothing is compared with it.`);
    say(`!! On Debian: apt-get install ${PACKAGES[name]}`);
    return undefined;
  }
  switch (name) {
    case "etcd":
      return startEtcd(place, version);
    case "redis":
      return startRedis(place, version, 0);
    case "redis-wait":
      return startRedis(place, version, 2);
    case "nats":
      return startNats(place, version);
  }
}

function versionOf(name: Installed): string | undefined {
  if (name === "etcd") return etcdVersion();
  return name === "nats" ? natsVersion() : redisVersion();
}

export interface SystemLoad {
  readonly workload: WorkloadName;
  readonly connections: number;
  readonly inFlight: number;
  readonly keys: number;
  readonly warmUpSeconds: number;
  readonly seconds: number;
  readonly seed: number;
  /** requests a second; absent: a closed loop */
  readonly rate?: number;
  /** how long to wait for strangers to be quiet; milliseconds */
  readonly patienceMs: number;
  /** other ports than the leader's */
  readonly ports?: readonly number[];
  readonly onSecond?: (operations: number, seconds: number) => void;
}

export interface SystemMeasured extends Measured {
  /** the load went to a node that was no longer the leader at its end */
  readonly leaderMoved: boolean;
  /** processors that strangers kept busy before it began */
  readonly foreignBefore: number;
}

/** Loads a system through its leader, once the machine is quiet or patience is at its end. */
export async function loadSystem(system: System, load: SystemLoad): Promise<SystemMeasured> {
  const leader = await system.leaderPort();
  const foreignBefore = load.seconds === 0 ? 0 : await awaitQuiet(load.patienceMs);
  const measured = await runLoad(
    {
      dialect: system.dialect,
      host: "127.0.0.1",
      ports: load.ports ?? [leader],
      workload: load.workload,
      distribution: "uniform",
      connections: load.connections,
      inFlight: load.inFlight,
      rate: load.rate ?? 0,
      keys: load.keys,
      valueSize: VALUE_SIZE,
      warmUpSeconds: load.warmUpSeconds,
      seconds: load.seconds,
      seed: load.seed,
      waitReplicas: system.waitReplicas,
    },
    {
      pids: system.pids,
      ...(load.onSecond === undefined ? {} : { onSecond: load.onSecond }),
    },
  );
  return { ...measured, foreignBefore, leaderMoved: (await system.leaderPort()) !== leader };
}

/** Every key once. */
export async function fillSystem(session: Session, system: System, keys: number): Promise<void> {
  const { name } = system;
  const told = (done: number): void => {
    session.progress(`${name}: ${grouped(done)} of ${grouped(keys)} keys set`);
  };
  told(0);
  const filled = await loadSystem(system, {
    ...FILL,
    workload: "put",
    keys,
    seed: 1,
    onSecond: told,
  });
  if (filled.errors > 0) {
    throw new Error(`${name} refused ${filled.errors} writes: ${filled.firstError ?? "?"}`);
  }
}
