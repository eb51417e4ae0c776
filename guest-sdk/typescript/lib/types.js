// Reads the functions of an entry module with the TypeScript compiler: which exports are functions, and what
// their parameters are, as the JSON that src/internal/check.js checks arguments by. It also
// finds type errors. JavaScript is read the same way, by its JSDoc comments.

import { existsSync, readdirSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { load } from "./dependency.js";

const PACKAGE = "wasmworker-sdk";

// Object types that the parameters of one function may have. Generic types can be endless.
const MAX_TYPES = 1000;

/**
 * @param {string} entry path of the entry module
 * @returns {Promise<{functions: {name: string, params: object}[], skipped: string[], problems: string[]}>}
 */
export async function readTypes(entry) {
  const ts = await load("typescript");
  const { options, declarations } = configFor(ts, entry);
  const program = ts.createProgram([resolve(entry), ...declarations], options);
  const checker = program.getTypeChecker();
  const file = program.getSourceFile(resolve(entry).replaceAll("\\", "/")) ?? program.getSourceFile(resolve(entry));
  if (file === undefined) throw new Error(`cannot read ${entry}`);

  const problems = ts.getPreEmitDiagnostics(program)
    .filter((d) => d.category === ts.DiagnosticCategory.Error)
    .map((d) => {
      const text = ts.flattenDiagnosticMessageText(d.messageText, "\n");
      if (d.file === undefined) return text;
      const { line, character } = d.file.getLineAndCharacterOfPosition(d.start);
      return `${relative(process.cwd(), d.file.fileName)}:${line + 1}:${character + 1}: ${text} (TS${d.code})`;
    });

  const functions = [];
  const skipped = [];
  const module = checker.getSymbolAtLocation(file);
  for (const symbol of module === undefined ? [] : checker.getExportsOfModule(module)) {
    const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
    if (!(target.flags & ts.SymbolFlags.Value)) continue; // a type
    const type = checker.getTypeOfSymbol(target);
    const [signature] = type.getCallSignatures();
    if (signature === undefined) {
      skipped.push(symbol.name);
      continue;
    }
    // What an overloaded function accepts cannot be told from one signature.
    functions.push({ name: symbol.name, params: type.getCallSignatures().length > 1 ? undefined : paramsOf(ts, checker, signature, file) });
  }
  return { functions, skipped, problems };
}

// The project's own options, and the files of the project that only declare (such as the host modules that it imports).
function configFor(ts, entry) {
  const path = ts.findConfigFile(dirname(resolve(entry)), existsSync);
  let options = {
    target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler, strict: true,
    skipLibCheck: true, types: [],
  };
  const sdk = join(dirname(fileURLToPath(import.meta.url)), "..", "src");
  let declarations = [
    join(sdk, "globals.d.ts"),
    ...readdirSync(dirname(resolve(entry))).filter((name) => name.endsWith(".d.ts")).map((name) => join(dirname(resolve(entry)), name)),
  ];
  if (path !== undefined) {
    const config = ts.getParsedCommandLineOfConfigFile(path, {}, { ...ts.sys, onUnRecoverableConfigFileDiagnostic: (d) => {
      throw new Error(`${path}: ${ts.flattenDiagnosticMessageText(d.messageText, "\n")}`);
    } });
    options = config.options;
    declarations = config.fileNames.filter((name) => name.endsWith(".d.ts"));
  } else {
    options.lib = ["lib.es2023.d.ts"];
  }
  // A bundler that is run from a checkout is not where a project looks for the SDK, but its types are here.
  if (ts.resolveModuleName(PACKAGE, resolve(entry), options, ts.sys).resolvedModule === undefined) {
    options = {
      ...options,
      paths: { ...options.paths, [PACKAGE]: [join(sdk, "index.d.ts")], [`${PACKAGE}/*`]: [join(sdk, "*.d.ts")] },
      types: options.types?.filter((name) => name !== `${PACKAGE}/globals`),
    };
    declarations = [...new Set([...declarations, join(sdk, "globals.d.ts")])];
  }
  return {
    options: { ...options, noEmit: true, allowJs: true, composite: false, incremental: false, declaration: false, declarationMap: false, tsBuildInfoFile: undefined },
    declarations,
  };
}

function paramsOf(ts, checker, signature, file) {
  const refs = [];
  const known = new Map(); // type -> its index in refs, of object types that are being read or were read
  const names = [];
  const types = [];
  let rest;
  let required = 0;

  for (const parameter of signature.getParameters()) {
    const declaration = parameter.valueDeclaration;
    const type = checker.getTypeOfSymbolAtLocation(parameter, declaration ?? file);
    names.push(declaration !== undefined && ts.isParameter(declaration) && !ts.isIdentifier(declaration.name) ? undefined : parameter.name);
    if (declaration !== undefined && ts.isParameter(declaration) && declaration.dotDotDotToken !== undefined) {
      rest = checker.isArrayType(type) ? convert(checker.getTypeArguments(type)[0]) : null;
      continue;
    }
    const optional = declaration !== undefined && ts.isParameter(declaration)
      && (declaration.questionToken !== undefined || declaration.initializer !== undefined || checker.isOptionalParameter(declaration));
    const converted = convert(type);
    types.push(optional ? orUndefined(converted) : converted);
    // A parameter of type any or unknown, or one that may be undefined, may be left out, too.
    if (!optional && converted !== null && !accepts(converted, "undefined")) required = types.length;
  }
  return { names, types, required, rest, refs };

  function orUndefined(type) {
    if (type === null || accepts(type, "undefined")) return type;
    return ["union", ...(Array.isArray(type) && type[0] === "union" ? type.slice(1) : [type]), "undefined"];
  }

  function accepts(type, what) {
    return type === what || (Array.isArray(type) && type[0] === "union" && type.includes(what));
  }

  function convert(type) {
    const F = ts.TypeFlags;
    if (type.flags & (F.Any | F.Unknown | F.TypeParameter)) return null;
    if (type.flags & F.BooleanLiteral) return ["literal", checker.typeToString(type) === "true"];
    if (type.isStringLiteral() || type.isNumberLiteral()) return ["literal", type.value];
    if (type.flags & (F.String | F.TemplateLiteral | F.StringMapping)) return "string";
    if (type.flags & F.Number) return "number";
    if (type.flags & F.Boolean) return "boolean";
    if (type.flags & F.Null) return "null";
    if (type.flags & (F.Undefined | F.Void)) return "undefined";
    if (type.isUnion()) {
      if (type.types.length === 2 && type.types.every((t) => t.flags & F.BooleanLiteral)) return "boolean";
      const types = [];
      for (const t of type.types) {
        const c = convert(t);
        if (c === null) return null;
        if (!types.some((o) => JSON.stringify(o) === JSON.stringify(c))) types.push(c);
      }
      // true | false, next to others
      const both = types.filter((t) => Array.isArray(t) && t[0] === "literal" && typeof t[1] === "boolean");
      const merged = both.length === 2 ? [...types.filter((t) => !both.includes(t)), "boolean"] : types;
      return merged.length === 1 ? merged[0] : ["union", ...merged];
    }
    if (type.isIntersection()) { // such as string & {brand: "OrderId"}
      const primitive = type.types.find((t) => t.flags & (F.StringLike | F.NumberLike | F.BooleanLike));
      if (primitive !== undefined) return convert(primitive);
    }
    if (type.flags & (F.Object | F.Intersection)) return ofObject(type);
    return null; // bigint, symbol, never and the like are not JSON: what comes is passed on
  }

  function ofObject(type) {
    const name = type.symbol?.name;
    if (name === "RawPayload" && checker.getPropertyOfType(type, "encoding") !== undefined) return "raw";
    if (name === "Uint8Array" || name === "Buffer") return "bytes";
    if (checker.isTupleType(type)) {
      const { elementFlags, minLength } = type.target;
      const all = checker.getTypeArguments(type);
      const fixed = all.filter((_, i) => !(elementFlags[i] & (ts.ElementFlags.Rest | ts.ElementFlags.Variadic)));
      const others = all.filter((_, i) => elementFlags[i] & (ts.ElementFlags.Rest | ts.ElementFlags.Variadic));
      if (others.length > 1 || (others.length === 1 && !(elementFlags.at(-1) & ts.ElementFlags.Rest))) return ["array", null];
      const types = fixed.map((t, i) => (elementFlags[i] & ts.ElementFlags.Optional ? orUndefined(convert(t)) : convert(t)));
      return others.length === 1 ? ["tuple", types, minLength, convert(others[0])] : ["tuple", types, minLength];
    }
    if (checker.isArrayType(type)) return ["array", convert(checker.getTypeArguments(type)[0])];
    // A class or a function never comes out of JSON; nor can a library's interface (Date, Map) be told by its properties.
    if (type.getCallSignatures().length > 0 || type.getConstructSignatures().length > 0) return null;
    const declared = type.symbol?.declarations?.[0];
    if (type.isClass() || (declared !== undefined && ts.isClassDeclaration(declared))) return null;
    if (declared !== undefined && /[\\/]lib\.[\w.]+\.d\.ts$/.test(declared.getSourceFile().fileName) && !isRecord(type)) return null;

    if (known.has(type)) return ["ref", known.get(type)];
    if (refs.length >= MAX_TYPES) return null;
    const index = refs.length;
    known.set(type, index);
    refs.push(null); // until it is known: types may refer to themselves
    const indexType = checker.getIndexTypeOfType(type, ts.IndexKind.String);
    const types = {};
    const required = [];
    for (const property of checker.getPropertiesOfType(type)) {
      if (property.name.startsWith("__@")) continue; // a symbol
      const optional = Boolean(property.flags & ts.SymbolFlags.Optional);
      const t = convert(checker.getTypeOfSymbolAtLocation(property, file));
      Object.defineProperty(types, property.name, { value: optional ? orUndefined(t) : t, enumerable: true });
      if (!optional && t !== null && !accepts(t, "undefined")) required.push(property.name);
    }
    if (Object.keys(types).length === 0 && indexType === undefined) return null; // {} is anything
    refs[index] = ["object", types, required, ...(indexType === undefined ? [] : [convert(indexType)])];
    return ["ref", index];
  }

  // Record, Partial and Pick are declared in lib.d.ts, but mean what they are given.
  function isRecord(type) {
    return type.aliasSymbol !== undefined || Boolean(type.objectFlags & ts.ObjectFlags.Mapped) || checker.getIndexTypeOfType(type, ts.IndexKind.String) !== undefined;
  }
}
