// Checks a decoded argument against the type that the activity's parameter has in the source. The
// bundler writes the types down as JSON (lib/types.js), since they are gone at run time:
//
//   null                                    anything
//   "string" "number" "boolean" "null" "undefined" "bytes" "raw"
//   ["literal", value]
//   ["union", type…]
//   ["array", type]
//   ["tuple", [type…], required, rest?]
//   ["object", {name: type}, [required name…], index?]
//   ["ref", n]                              the n-th of the types that are used more than once or within themselves

function nameOf(value) {
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  if (value instanceof Uint8Array) return "bytes";
  switch (typeof value) {
    case "undefined": return "missing";
    case "object": return "an object";
    default: return `a ${typeof value}`;
  }
}

function describe(type, refs) {
  if (type === null) return "anything";
  if (typeof type === "string") {
    return { null: "null", undefined: "left out", bytes: "bytes (binary/plain)", raw: "a payload" }[type] ?? `a ${type}`;
  }
  switch (type[0]) {
    case "literal": return JSON.stringify(type[1]);
    case "array": case "tuple": return "an array";
    case "object": return "an object";
    case "ref": return describe(refs[type[1]], refs);
    // What may be left out needs no mention where something is given.
    case "union": return [...new Set(type.slice(1).filter((t) => t !== "undefined").map((t) => describe(t, refs)))].join(" or ");
    default: return "?";
  }
}

const property = (name) => (/^[\p{L}_$][\p{L}\p{N}_$]*$/u.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`);

/** Returns what is wrong with value, such as ".name must be a string, and is a number"; undefined if nothing is. */
export function check(type, value, refs = [], path = "") {
  const wrong = () => `${path && `${path} `}${value === undefined ? "is missing" : `must be ${describe(type, refs)}, and is ${nameOf(value)}`}`;
  if (type === null) return undefined;
  if (typeof type === "string") {
    switch (type) {
      case "null": return value === null ? undefined : wrong();
      case "bytes": return value instanceof Uint8Array ? undefined : wrong();
      case "raw": return undefined;
      default: return typeof value === type ? undefined : wrong();
    }
  }
  switch (type[0]) {
    case "ref": return check(refs[type[1]], value, refs, path);
    case "literal":
      return value === type[1] ? undefined : wrong();
    case "union": {
      let deepest;
      for (const t of type.slice(1)) {
        const problem = check(t, value, refs, path);
        if (problem === undefined) return undefined;
        // The alternative of the right shape has the better message.
        const shape = typeof t === "string" ? t : t?.[0] === "ref" ? refs[t[1]]?.[0] : t?.[0];
        const fits = (shape === "object" && nameOf(value) === "an object") || ((shape === "array" || shape === "tuple") && Array.isArray(value));
        if (fits) deepest = deepest === undefined ? problem : null; // several fit: none is better
      }
      return deepest ?? wrong();
    }
    case "array": {
      if (!Array.isArray(value)) return wrong();
      for (let i = 0; i < value.length; i++) {
        const problem = check(type[1], value[i], refs, `${path}[${i}]`);
        if (problem !== undefined) return problem;
      }
      return undefined;
    }
    case "tuple": {
      if (!Array.isArray(value)) return wrong();
      const [, types, required, rest] = type;
      if (value.length < required) return `${path}[${value.length}] is missing`;
      if (rest === undefined && value.length > types.length) return `${path && `${path} `}has more than ${types.length} elements`;
      for (let i = 0; i < value.length; i++) {
        const problem = check(i < types.length ? types[i] : rest, value[i], refs, `${path}[${i}]`);
        if (problem !== undefined) return problem;
      }
      return undefined;
    }
    case "object": {
      if (nameOf(value) !== "an object") return wrong();
      const [, types, required, index] = type;
      for (const name of required) {
        if (!Object.hasOwn(value, name)) return `${path}${property(name)} is missing`;
      }
      for (const name of Object.keys(value)) {
        const t = Object.hasOwn(types, name) ? types[name] : index;
        if (t === undefined) continue; // unknown fields are ignored
        const problem = check(t, value[name], refs, `${path}${property(name)}`);
        if (problem !== undefined) return problem;
      }
      return undefined;
    }
    default:
      return undefined;
  }
}
