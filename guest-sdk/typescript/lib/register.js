// node --import wasmworker-sdk/register: lets Node.js run the sources of activities, for tests.
import { register } from "node:module";

register("./hooks.js", import.meta.url);
