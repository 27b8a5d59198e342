import type { NodeId } from "../../src/raft/types.js";
import { SimulatedNetwork } from "../../src/simulation/network.js";
import { randomStream } from "../../src/simulation/random.js";
import { Scheduler } from "../../src/simulation/scheduler.js";
import type { Transport } from "../../src/transport/transport.js";
import { Happenings, Recorder } from "./happenings.js";
import { TcpWorld } from "./tcp-world.js";
import { N1, N2, N3, transportContract, type TransportWorld } from "./transport-contract.js";

const IDS = [N1, N2, N3];

transportContract("tcp", () => TcpWorld.create(IDS));
transportContract("simulated", async () => new SimulatedWorld());

/** A network that delays and reorders, but loses nothing. */
class SimulatedWorld implements TransportWorld {
  readonly keepsOrder = false;
  readonly reportsLoss = false;
  readonly #scheduler = new Scheduler();
  readonly #network = new SimulatedNetwork({
    scheduler: this.#scheduler,
    random: randomStream(1, "network"),
    ids: IDS,
    faults: {
      delayMs: [0, 10],
      dropProbability: 0,
      duplicateProbability: 0,
      stragglerProbability: 0.1,
    },
    deliver: (_, task) => {
      task();
    },
  });
  readonly #transports = new Map(IDS.map((id) => [id, this.#network.transportOf(id, id)]));
  readonly #recorders = new Map(IDS.map((id) => [id, new Recorder(new Happenings())]));

  transportOf(id: NodeId): Transport {
    return known(this.#transports, id);
  }

  recorderOf(id: NodeId): Recorder {
    return known(this.#recorders, id);
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      if (!this.#step()) throw new Error("nothing more will happen");
    }
  }

  async settle(): Promise<void> {
    while (this.#step());
  }

  #step(): boolean {
    return this.#scheduler.step(this.#scheduler.now + 10_000);
  }

  async close(id: NodeId): Promise<void> {
    await known(this.#transports, id).close();
    this.#network.detach(id);
  }
}

function known<T>(map: ReadonlyMap<NodeId, T>, id: NodeId): T {
  const value = map.get(id);
  if (value === undefined) throw new Error(`there is no ${id}`);
  return value;
}
