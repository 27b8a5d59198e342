/** Logs of nodes that run, compared while they move. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "mocha";
import { compareLogs, type Comparison } from "../../src/console/compare-logs.js";
import { withNodeLogs } from "../../src/console/log-source.js";
import { ClientDoor } from "../../src/doors/door.js";
import { nativeProtocol } from "../../src/doors/native/native-door.js";
import type { NodeInfo } from "../../src/node/service.js";
import { LogIndex, type Term } from "../../src/raft/types.js";
import { SingleNodeService } from "../client/single-node-service.js";
import { PATIENT } from "../client/remote-scene.js";
import { put, request } from "../store/requests.js";

/** A node whose log begins where it is told to. */
class CompactingService extends SingleNodeService {
  firstIndex = 1;
  /** when a checksum is asked for, before it is told */
  onAsked: () => void = () => undefined;

  override info(): NodeInfo {
    return { ...super.info(), firstIndex: LogIndex(this.firstIndex) };
  }

  override checksumAt(
    index: LogIndex,
  ): { readonly term: Term; readonly checksum: number } | undefined {
    this.onAsked();
    return index < this.firstIndex - 1 ? undefined : super.checksumAt(index);
  }

  /** The same entries on every node that has as many. */
  append(count: number): void {
    this.mood = "holding";
    for (let i = 0; i < count; i += 1)
      this.execute(request(put(`key-${i}`, "v")), PATIENT.timeoutMs, () => undefined);
    this.release();
  }
}

describe("log compare of nodes", () => {
  let services: readonly CompactingService[] = [];
  let doors: readonly ClientDoor[] = [];

  beforeEach(async () => {
    services = [new CompactingService(), new CompactingService()];
    doors = await Promise.all(
      services.map((service) =>
        ClientDoor.listen({
          host: "127.0.0.1",
          port: 0,
          protocols: [nativeProtocol(service)],
          limits: {},
        }),
      ),
    );
    for (const service of services) service.append(9);
  });
  afterEach(async () => {
    for (const service of services) service.stop();
    await Promise.all(doors.map((door) => door.close()));
  });

  async function compare(): Promise<Comparison> {
    const endpoints = doors.map(({ port }) => `127.0.0.1:${port}`);
    return withNodeLogs(endpoints, PATIENT.timeoutMs, (sources, goal) =>
      compareLogs(sources.map((source) => source.upTo(goal))),
    );
  }

  it("a log that is compacted beyond what is compared is asked anew, and is no other log", async () => {
    const [first] = services;
    assert.ok(first !== undefined);
    // Ten entries are there when it begins, and nothing of them when it goes on.
    first.onAsked = () => {
      if (first.firstIndex > 1) return;
      first.firstIndex = 12;
      for (const service of services) service.append(2);
    };
    const { kind, from, comparedTo } = await compare();
    assert.deepEqual([kind, from, comparedTo], ["equal", 11, 12]);
  });
});
