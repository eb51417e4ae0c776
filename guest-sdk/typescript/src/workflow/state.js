// The run of this instance. There is never another one: an instance belongs to its run.

import { host } from "../internal/host.js";
import { Frame } from "./payloads.js";

class Run {
  history = {};
  info; // as the host told it, and the bytes of its payloads
  body;
  cancelled = false;
  frame = new Frame();
  operations = new Map(); // id -> what was begun and has not ended
  conditions = new Set();
  signals = new Map(); // name -> {handler, description, unfinishedPolicy}
  queries = new Map();
  updates = new Map();
  buffered = []; // signals that nobody handles yet
  running = new Set(); // {kind, name, id, unfinishedPolicy} of handlers
  details = "";
  describe = false;
  ended; // the last command
  failed; // {error} with which the task fails
  readOnly; // "a query" while it must not change anything
  #lastId = 0;

  nextId() { return ++this.#lastId; }

  /** Sees to it that queries and validators change nothing. */
  mustChange(what) {
    if (this.readOnly !== undefined) throw new Error(`${this.readOnly} cannot ${what}: it must not change anything`);
  }

  push(command) {
    if (this.ended === undefined) this.frame.commands.push(command);
  }

  /** Hands the commands of this activation over. */
  flush() {
    const { frame } = this;
    this.frame = new Frame();
    if (frame.commands.length > 0 && host.commands(frame.bytes()) < 0) throw new Error(`the host refused the commands of the workflow: ${host.lastError()}`);
  }
}

export let run;

export function begin() {
  run = new Run();
  return run;
}

export function leave() { run = undefined; }

/** The run, for a function that needs one. */
export function current() {
  if (run === undefined) throw new Error("there is no workflow here: this can be called by a workflow only, not while the module is initialized");
  return run;
}
