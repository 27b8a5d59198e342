/**
 * Reads an accepted socket into one buffer of all: Node offers `onread` only for
 * sockets that it is asked to make, so an accepted one is taken over by its handle.
 * What was read is valid during the call.
 */
import { Buffer } from "node:buffer";
import { Socket } from "node:net";

const READ_SIZE = 256 * 1024;
const readBuffer = Buffer.allocUnsafeSlow(READ_SIZE);

/** The undocumented part of a socket. */
interface WithHandle {
  _handle?: object | null;
}

/** @param accepted of a server with `pauseOnConnect` */
export function readInPlace(accepted: Socket, onBytes: (chunk: Buffer) => void): Socket {
  const inner = accepted as WithHandle;
  const options = {
    handle: inner._handle,
    allowHalfOpen: false,
    onread: {
      buffer: readBuffer,
      callback: (size: number): boolean => {
        onBytes(readBuffer.subarray(0, size));
        return true;
      },
    },
  };
  const socket = new Socket(options);
  inner._handle = null;
  socket.on("error", () => undefined); // "close" follows
  return socket;
}
