// V8's options while the client loads.
//
// Node.js carries its own modules compiled, and V8 takes that code only where its options are the defaults. Those that
// every function is started with would have each module compiled again, a tenth of a start and more. So they are set back
// until the function is loaded. The heap has its limits by then, and the global object its `gc`; what V8 reads later, for
// contexts and threads that the function makes, is as it was given.

import { setFlagsFromString } from "node:v8";

const DEFAULTS = new Map([
  ["--expose-gc", "--no-expose-gc"],
  ["--max-old-space-size", "--max-old-space-size=0"],
  ["--max-semi-space-size", "--max-semi-space-size=0"],
]);
const nameOf = (word) => word.split("=")[0];
const GIVEN = process.execArgv.filter((word) => DEFAULTS.has(nameOf(word)));

let isLowered = true;

/** Gives V8 the options of this process's start. It looks each of them up among hundreds. */
export function restoreFlags() {
  if (isLowered) for (const word of GIVEN) setFlagsFromString(word);
  isLowered = false;
}

/** Whether V8 notes what a function has met, by which later calls are short, only after some calls of it, as it does by default. */
export function setLazyFeedback(isLazy) {
  setFlagsFromString(isLazy ? "--lazy-feedback-allocation" : "--no-lazy-feedback-allocation");
}

for (const word of GIVEN) setFlagsFromString(DEFAULTS.get(nameOf(word)));
