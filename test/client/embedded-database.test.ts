import { databaseOver } from "../../src/embedded.js";
import { type DatabaseFixture, describeDatabaseContract } from "../database-contract.js";
import { SingleNodeService } from "./single-node-service.js";

function open(): Promise<DatabaseFixture> {
  const service = new SingleNodeService();
  const stop = (): Promise<void> => {
    service.stop();
    return Promise.resolve();
  };
  return Promise.resolve({
    database: databaseOver(service, stop),
    stall: () => {
      service.mood = "stalled";
    },
    cleanUp: () => Promise.resolve(),
  });
}

describeDatabaseContract("embedded", open, { canStall: true });
