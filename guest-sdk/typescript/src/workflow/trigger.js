/** A promise that is resolved from elsewhere. See workflow.d.ts. */
export class Trigger {
  #promise;
  constructor() {
    this.#promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    this.#promise.catch(() => {}); // it is no error if nobody has asked yet
  }
  then(fulfilled, rejected) { return this.#promise.then(fulfilled, rejected); }
  catch(rejected) { return this.#promise.catch(rejected); }
  finally(f) { return this.#promise.finally(f); }
}
