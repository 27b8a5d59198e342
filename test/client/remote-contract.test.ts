import { connect } from "../../src/client/remote-database.js";
import { ClientDoor } from "../../src/doors/door.js";
import { nativeProtocol } from "../../src/doors/native/native-door.js";
import { type DatabaseFixture, describeDatabaseContract } from "../database-contract.js";
import { PATIENT } from "./remote-scene.js";
import { SingleNodeService } from "./single-node-service.js";

async function open(): Promise<DatabaseFixture> {
  const service = new SingleNodeService();
  const door = await ClientDoor.listen({
    host: "127.0.0.1",
    port: 0,
    protocols: [nativeProtocol(service)],
  });
  return {
    database: connect({ ...PATIENT, endpoints: [`127.0.0.1:${door.port}`] }),
    stall: () => {
      service.mood = "stalled";
    },
    passTime: (ms) => {
      service.passTime(ms);
    },
    cleanUp: async () => {
      service.stop();
      await door.close();
    },
  };
}

describeDatabaseContract("remote", open, { canStall: true, canPassTime: true });
