/** An argument that is a whole number: what is none is wrong usage, as with a flag. */
import { custom } from "@oclif/core/args";
import { usageError } from "./failure.js";

/** 1 to the last safe integer. */
export const wholeNumber = custom<number>({
  parse: (input, _context, { name }) => {
    const value = Number(input);
    if (/^\d+$/.test(input) && value >= 1 && Number.isSafeInteger(value)) {
      return Promise.resolve(value);
    }
    return Promise.reject(
      usageError(
        `${name} is "${input}", which is no whole number from 1 on`,
        "a number, in digits",
      ),
    );
  },
});
