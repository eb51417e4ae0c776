// Scopes of cancellation. See workflow.d.ts.

import { CancelledFailure, milliseconds } from "../errors.js";
import { context, runIn, setRoot } from "./context.js";
import { sleep } from "./timers.js";

const NO_PARENT = Symbol("no parent");

export class CancellationScope {
  cancellable;
  timeout;
  #parent;
  #failure;
  #listeners = new Set();
  #unlink; // from the parent, which knows of this scope only while somebody listens
  #requested;

  constructor({ cancellable = true, timeout, parent } = {}) {
    this.cancellable = cancellable;
    this.timeout = timeout === undefined ? undefined : milliseconds(timeout);
    if (parent !== NO_PARENT && cancellable) this.#parent = parent ?? CancellationScope.current();
  }

  static root = new CancellationScope({ parent: NO_PARENT });

  static current() { return context.scope; }

  static cancellable(f) { return new CancellationScope().run(f); }

  static nonCancellable(f) { return new CancellationScope({ cancellable: false }).run(f); }

  static withTimeout(timeout, f) { return new CancellationScope({ timeout }).run(f); }

  get parent() { return this.#parent; }

  /** Why it was cancelled, undefined if it was not. */
  get failure() { return (this.#failure ??= this.#parent?.failure); }

  get consideredCancelled() { return this.cancellable && this.failure !== undefined; }

  get cancelRequested() {
    if (this.#requested === undefined) {
      this.#requested = new Promise((_, reject) => this.listen(reject));
      this.#requested.catch(() => {}); // it is no error if nobody listens
    }
    return this.#requested;
  }

  run(f) {
    return runIn({ ...context, scope: this }, () => (this.timeout === undefined ? (async () => f())() : this.#limited(f)));
  }

  async #limited(f) {
    const timer = new CancellationScope();
    timer.run(() => sleep(this.timeout)).then(() => this.cancel(), () => {}); // it is over before
    try {
      return await f();
    } finally {
      timer.cancel();
    }
  }

  cancel(failure = new CancelledFailure("Cancellation scope cancelled")) {
    if (this.failure !== undefined) return;
    this.#cancel(failure);
  }

  #cancel(failure) {
    this.#failure = failure;
    this.#unlink?.();
    this.#unlink = undefined;
    const listeners = [...this.#listeners];
    this.#listeners.clear();
    for (const f of listeners) f(failure);
  }

  /** Calls f when the scope is cancelled, at once if it was. Returns how to call that off. */
  listen(f) {
    if (this.failure !== undefined) {
      f(this.failure);
      return () => {};
    }
    if (this.#listeners.size === 0) this.#unlink = this.#parent?.listen((failure) => this.#cancel(failure));
    this.#listeners.add(f);
    return () => {
      if (!this.#listeners.delete(f) || this.#listeners.size > 0) return;
      this.#unlink?.();
      this.#unlink = undefined;
    };
  }
}

setRoot({ scope: CancellationScope.root, update: undefined });
