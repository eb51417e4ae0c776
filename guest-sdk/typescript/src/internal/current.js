/** The attempt that is running, if any. There is never more than one. */
export let task;

export function setTask(t) { task = t; }

export function current() {
  if (task === undefined) throw new Error("there is no activity here: this can be called by an activity only, not while the module is initialized");
  return task;
}
