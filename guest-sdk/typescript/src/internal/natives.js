/**
 * The natives that the shim gives the script, in the order of their numbers. Passthrough
 * functions follow them. lib/shim.js makes the functions, host.js uses them.
 */
export const NATIVES = [
  "argCount", "argBytes", "argText", "argEncoding", "argMetadata",
  "outputWrite", "outputEncoding", "outputMetadata", "fail",
  "info", "status",
  "heartbeatDetail", "heartbeat", "detailCount", "detailBytes", "detailText", "detailEncoding",
  "lastError", "log",
  "randomBytes", "sleep", "environ", "writeStderr",
  "utf8Encode", "utf8Decode",
  "register", "finish",
];
