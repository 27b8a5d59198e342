/** Frames of the native client protocol, written in the buffer that goes to the socket. */
import { assert } from "../assert.js";
import { writeFrameHeader } from "./frame.js";

/** Writes the header of the frame whose body ends at `end`, and cuts off the room that was not needed. */
export function sealClientFrame(target: Buffer, end: number): Buffer {
  assert(end <= target.length, "a message fits the room that was measured for it");
  const frame = target.subarray(0, end);
  writeFrameHeader(frame);
  return frame;
}
