/** Growth to five million keys: the table's own work shows in how long loops are held. */
import type { PeerSettings } from "../peers/settings.js";
import { fillSystem, loadSystem } from "../peers/start.js";
import type { System } from "../systems/system.js";
import type { FigurePart } from "./figure.js";
import { holdsRemark, startWatched, type Holds } from "./holds.js";

const PAUSE_KEYS = 5_000_000;
const PAUSE_KEYS_QUICK = 50_000;
const PAUSE_WANTED = 30;

export const pause: FigurePart = {
  name: "pause",
  about: "how long loops are held while five million keys are set and set again",
  async measure(session, settings) {
    const keys = settings.isQuick ? PAUSE_KEYS_QUICK : PAUSE_KEYS;
    using watched = await startWatched(session);
    const fromMs = Date.now();
    await fillSystem(session, watched.system, keys);
    const filled = watched.holds(fromMs, Date.now());
    session.progress(`pause: setting some of ${keys} keys again`);
    const againMs = Date.now();
    await rewrite(watched.system, keys, settings);
    const again = watched.holds(againMs, Date.now());
    const quick = settings.isQuick ? `only ${keys} keys; ` : "";
    const told = (holds: Holds): string => `${holds.ownMs.toFixed(1)} ms (${holdsRemark(holds)})`;
    return [
      {
        what: "longest hold of a loop with five million keys",
        relation: "at most",
        wanted: PAUSE_WANTED,
        measured: Math.max(filled.ownMs, again.ownMs),
        unit: " ms",
        remark: `${quick}while set ${told(filled)}, set again ${told(again)}`,
      },
    ];
  },
};

async function rewrite(system: System, keys: number, settings: PeerSettings): Promise<void> {
  await loadSystem(system, {
    workload: "put",
    connections: 50,
    inFlight: 20,
    keys,
    warmUpSeconds: 0,
    seconds: Math.max(3, settings.seconds),
    seed: 1,
    patienceMs: 0,
  });
}
