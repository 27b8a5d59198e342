import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, Socket } from "node:net";
import type { AddressInfo } from "node:net";
import { describe, it } from "mocha";
import { readAccepted } from "../../src/transport/accepted-socket.js";

describe("an accepted socket", () => {
  it("is read whole and to its end, and counts until it is closed", async () => {
    const size = 1_000_000;
    const chunks: Buffer[] = [];
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
    const [accepted] = (await once(server, "connection")) as [Socket];
    const socket = readAccepted(accepted, {
      allowHalfOpen: true,
      onLent: (bytes) => chunks.push(Buffer.from(bytes)),
    });
    assert.notEqual(socket, accepted, "this Node gives its handle away");
    socket.resume();
    const ended = once(socket, "end");
    const sent = Buffer.from(Array.from({ length: size }, (_, i) => i % 251));
    client.end(sent);
    await ended;
    assert.ok(Buffer.concat(chunks).equals(sent));
    // Half-open: what is said behind the end arrives.
    socket.end("bye");
    const [heard] = (await once(client, "data")) as [Buffer];
    assert.equal(heard.toString(), "bye");
    server.close();
    await once(server, "close");
  });

  it("that has nothing to be taken over by is read all the same", () => {
    const heard: string[] = [];
    const socket = new Socket();
    assert.equal(
      readAccepted(socket, {
        allowHalfOpen: true,
        onLent: (bytes) => heard.push(bytes.toString()),
      }),
      socket,
    );
    socket.emit("data", Buffer.from("a"));
    assert.deepEqual(heard, ["a"]);
  });
});
