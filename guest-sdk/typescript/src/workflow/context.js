// What belongs to a chain of asynchronous calls: the scope of cancellation, and the update that is handled.
// The bundler turns async functions into generators that go on in callbacks of then, and so it is here
// that each of them finds the context in which it began to wait.

const { apply } = Reflect;
const { then } = Promise.prototype;

/** {scope, update} of the code that runs now. */
export let context = {};

export function runIn(inner, f) {
  const outer = context;
  context = inner;
  try {
    return f();
  } finally {
    context = outer;
  }
}

/** Makes f run in the context that is the current one now. */
export function bound(f) {
  const inner = context;
  return (...args) => runIn(inner, () => f(...args));
}

/** Sets the context of everything that no other one is known for. */
export function setRoot(root) { context = root; }

function boundReaction(f) {
  if (typeof f !== "function") return f;
  const inner = context;
  return (value) => {
    const outer = context;
    context = inner;
    try {
      return f(value);
    } finally {
      context = outer;
    }
  };
}

Object.defineProperty(Promise.prototype, "then", {
  value: function then_(fulfilled, rejected) { return apply(then, this, [boundReaction(fulfilled), boundReaction(rejected)]); },
  writable: true, configurable: true,
});
