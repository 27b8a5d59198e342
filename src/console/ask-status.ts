/** One question to a cluster that may not be up yet. */
import type { ClusterStatus } from "../node/service.js";

/** Short: whoever asks will ask again. Milliseconds. */
const STATUS_TIMEOUT_MS = 1000;

export async function askStatus(endpoints: readonly string[]): Promise<ClusterStatus> {
  const { connect } = await import("../client/remote-database.js");
  const database = connect({ endpoints, timeoutMs: STATUS_TIMEOUT_MS });
  try {
    return await database.status();
  } finally {
    await database.close();
  }
}
