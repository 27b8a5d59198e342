/**
 * Reads of accepted sockets into one buffer that all of them share.
 *
 * A socket that is read by its "data" event allocates 64 KiB for each read and gives
 * most of them back; one with `onread` reads into a buffer of ours, which its owner
 * looks at and copies what it keeps of. Node offers `onread` for sockets that it
 * is asked to make, not for those that it accepts: an accepted one is taken over by
 * its handle, which Node does not document. Where there is none, "data" does.
 */
import { Socket } from "node:net";

/** bytes of one read at most: a block of a thousand small puts comes in one */
const READ_SIZE_MAX = 256 * 1024;

/** The undocumented part of a socket. */
interface WithHandle {
  _handle?: object | null;
}

export interface AcceptedSocketOptions {
  readonly allowHalfOpen: boolean;
  /** Takes what was received; the bytes are lent, and others by the time of the next read. */
  readonly onLent: (bytes: Buffer) => void;
}

/** One for all: nothing in it outlives the call that it is given to. */
let readBuffer: Buffer | undefined;

/**
 * Has what a newly accepted, paused socket receives given to `onLent`, from `resume` on.
 *
 * @returns the socket to use from now on, which may be another
 */
export function readAccepted(accepted: Socket, options: AcceptedSocketOptions): Socket {
  const socket = takeOver(accepted, options);
  if (socket !== undefined) return socket;
  accepted.on("data", options.onLent);
  return accepted;
}

function takeOver(
  accepted: Socket,
  { allowHalfOpen, onLent }: AcceptedSocketOptions,
): Socket | undefined {
  const inner = accepted as WithHandle;
  const handle = inner._handle;
  if (typeof handle !== "object" || handle === null) return undefined;
  const buffer = (readBuffer ??= Buffer.allocUnsafeSlow(READ_SIZE_MAX));
  const options = {
    handle,
    allowHalfOpen,
    onread: {
      buffer,
      callback: (size: number): boolean => {
        onLent(buffer.subarray(0, size));
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
