/** The natives that the shim gives the script of workflows, in the order of their numbers. lib/shim.js makes the functions. */
export const WORKFLOW_NATIVES = [
  "activation", "lastError", "commands", "patched",
  "log", "randomBytes", "writeStderr", "utf8Encode", "utf8Decode",
  "register", "finish",
];
