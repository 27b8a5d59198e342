/**
 * Reads of an accepted socket into one buffer that all sockets share.
 *
 * A socket that is read by its "data" event allocates 64 KiB for each read and gives
 * most of them back; one with `onread` reads into a buffer of ours, and what came is
 * copied out, which is a few hundred bytes. Node offers `onread` for sockets that it
 * is asked to make, not for those that it accepts: an accepted one is taken over by
 * its handle, which Node does not document. Where there is none, "data" does.
 */
import { Socket } from "node:net";

/** bytes of one read at most */
const READ_SIZE_MAX = 64 * 1024;

/** The undocumented part of a socket. */
interface WithHandle {
  _handle?: object | null;
}

/** One for all: what lies in it is copied before the next read. */
let readBuffer: Buffer | undefined;

/**
 * Has what a newly accepted, paused socket receives given to `onBytes`, in pieces that
 * nobody else writes to.
 *
 * @returns the socket to use from now on, which may be another
 */
export function readAccepted(accepted: Socket, onBytes: (chunk: Buffer) => void): Socket {
  const socket = takeOver(accepted, onBytes);
  if (socket !== undefined) return socket;
  accepted.on("data", onBytes);
  return accepted;
}

function takeOver(accepted: Socket, onBytes: (chunk: Buffer) => void): Socket | undefined {
  const inner = accepted as WithHandle;
  const handle = inner._handle;
  if (typeof handle !== "object" || handle === null) return undefined;
  const buffer = (readBuffer ??= Buffer.allocUnsafeSlow(READ_SIZE_MAX));
  const options = {
    handle,
    allowHalfOpen: true,
    onread: {
      buffer,
      callback: (size: number): boolean => {
        const chunk = Buffer.allocUnsafe(size);
        buffer.copy(chunk, 0, 0, size);
        onBytes(chunk);
        return true;
      },
    },
  };
  const socket = new Socket(options);
  // The server counts its connections by the sockets it made: this one ends with the other.
  inner._handle = null;
  socket.once("close", () => {
    accepted.destroy();
  });
  return socket;
}
