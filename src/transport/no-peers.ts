/** The transport of a cluster of one: nobody to talk to, no port to listen on. */
import type { PeerConnection, Transport } from "./transport.js";

export class NoPeers implements Transport {
  async start(): Promise<void> {
    // nobody will call
  }

  send(): void {
    // a core without peers has nothing to say
  }

  flush(): void {
    // nothing was sent
  }

  setPeers(): void {
    // a cluster of one has none
  }

  connections(): readonly PeerConnection[] {
    return [];
  }

  isConnected(): boolean {
    return false;
  }

  async close(): Promise<void> {
    // nothing was opened
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
