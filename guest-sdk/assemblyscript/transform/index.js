// The compiler transform behind the decorators @activity and @json.
//
// It works on the syntax tree alone: types are resolved later, in the generic functions that the generated code calls. So what it
// makes is short. For
//
//     @activity function greet(input: Greeting): Result<Reply> { … }
//
// it is an exported function that reads the arguments, calls greet and ends with what that returns; for a class with @json, five
// methods that know its fields. It imports nothing from the compiler, which may be installed in another place than this file: the
// compiler hands itself over as `this.program` and `parser`.

const PACKAGE = "wasmworker-sdk-assemblyscript";
const USER_ERROR = 104; // DiagnosticCode.User_defined_0, "AS104: …"
const MAX_FIELDS = 64; // of one @json class with those that it extends: Reader keeps a bit of a u64 for each
const IMPORT = `import { Arguments as __wwArguments, end as __wwEnd, __Reader as __wwReader, __Writer as __wwWriter } from "${PACKAGE}";\n`;

export default class WasmworkerTransform {
  afterParse(parser) {
    this.parser = parser;
    this.learn();
    for (const source of [...parser.sources]) {
      if (!/@(json|activity)\b/.test(source.text)) continue;
      this.source = source;
      this.code = "";
      this.used = false;
      this.visit(source.statements);
      if (this.used) source.statements.push(...this.parse(IMPORT + this.code, "activities").statements);
    }
  }

  // learn finds out by example what numbers this version of the compiler has for kinds of nodes and flags.
  learn() {
    const sample = "class C { static s: i32; f: i32; readonly r: i32; constructor() {} }\nexport function f(): void {}\nnamespace N {}";
    const [cls, fn, ns] = this.parse(sample, "sample").statements;
    const [s, f, r, c] = cls.members;
    this.kinds = { class: cls.kind, function: fn.kind, namespace: ns.kind, field: f.kind, method: c.kind };
    this.flags = { static: s.flags & ~f.flags, readonly: r.flags & ~f.flags, export: fn.flags };
  }

  // parse parses code as a part of the file that is being transformed. The parser itself notes which files it imports.
  parse(code, what) {
    const path = this.source ? this.source.normalizedPath.replace(/\.ts$/, "") : "wasmworker";
    this.count = (this.count ?? 0) + 1;
    this.parser.parseFile(code, `${path}~${what}${this.count}.ts`, false);
    const made = this.parser.sources.pop();
    // The compiler looks for the file of each expression among those that it knows.
    if (this.source) made.internalPath = this.source.internalPath;
    return made;
  }

  visit(statements) {
    for (const node of statements) {
      if (node.kind === this.kinds.namespace) this.visit(node.members);
      if (node.kind === this.kinds.class && this.take(node, "json")) this.json(node);
      if (node.kind !== this.kinds.function) continue;
      const decorator = this.take(node, "activity");
      if (decorator && statements !== this.source.statements) this.error(decorator, "an activity cannot be in a namespace");
      else if (decorator) this.activity(node, decorator);
    }
  }

  // take removes a decorator from a declaration, and returns it.
  take(node, name) {
    const decorator = node.decorators?.find((d) => d.name.text === name);
    if (decorator) node.decorators = node.decorators.filter((d) => d !== decorator);
    return decorator;
  }

  error(node, message) {
    this.parser.error(USER_ERROR, node.range, message);
  }

  text(node) {
    return this.source.text.substring(node.range.start, node.range.end);
  }

  typeText(type) {
    const text = this.text(type);
    return type.isNullable && !/\|\s*null$/.test(text) ? `${text} | null` : text;
  }

  // The string that a decorator may have as its argument.
  argument(decorator, otherwise) {
    const args = decorator.args ?? [];
    if (args.length === 0) return otherwise;
    if (args.length > 1 || typeof args[0].value !== "string") {
      this.error(decorator, `@${decorator.name.text} takes one name, as a string`);
      return otherwise;
    }
    return args[0].value;
  }

  activity(fn, decorator) {
    const name = fn.name.text;
    const exported = this.argument(decorator, name);
    if (!/^[A-Za-z$][\w$]*$/.test(exported)) {
      return this.error(decorator, `"${exported}" cannot be the name of an export: it is letters and digits, and does not begin with _`);
    }
    if (fn.typeParameters?.length) return this.error(fn.name, "an activity cannot have type parameters");
    // What the file exports under this name is the function that the host calls.
    fn.flags &= ~this.flags.export;
    const parameters = fn.signature.parameters;
    const reads = parameters.map((p, i) => {
      const type = this.typeText(p.type);
      if (i === parameters.length - 1 && /^(Array\s*<\s*Payload\s*>|Payload\s*\[\s*\])$/.test(type)) return `  const __${i} = __args.rest();\n`;
      const read = `__args.next<${type}>(${JSON.stringify(p.name.text)})`;
      return `  const __${i}: ${type} = ${p.initializer ? `__args.more ? ${read} : ${this.text(p.initializer)}` : read};\n`;
    });
    const call = `${name}(${parameters.map((_, i) => `__${i}`).join(", ")})`;
    this.used = true;
    this.code += `function __activity_${name}(): i32 {\n  const __args = new __wwArguments();\n${reads.join("")}` +
      (parameters.length > 0 ? "  if (__args.failed) return __args.end();\n" : "") +
      (this.text(fn.signature.returnType) === "void" ? `  ${call};\n  return 0;\n` : `  return __wwEnd(${call});\n`) +
      `}\nexport { __activity_${name} as ${exported} };\n`;
  }

  json(cls) {
    const constructor = cls.members.find((m) => m.kind === this.kinds.method && m.name.text === "constructor");
    const fields = [];
    for (const member of cls.members) {
      if (member.kind !== this.kinds.field || member.flags & this.flags.static) continue;
      const named = this.take(member, "name");
      if (this.take(member, "omit")) {
        // Without a constructor's help it would be null where the type says it cannot be.
        if (member.initializer) fields.push({ field: member.name.text, type: "", key: "", initial: this.text(member.initializer) });
        continue;
      }
      if (!member.type) {
        this.error(member, "a field of a @json class needs a type");
        continue;
      }
      // Objects are read without their constructor, so fields that only that may set become ordinary ones.
      member.flags &= ~this.flags.readonly;
      const initializer = member.initializer ?? (member.parameterIndex >= 0 ? constructor?.signature.parameters[member.parameterIndex].initializer : null);
      fields.push({
        field: member.name.text,
        type: this.typeText(member.type),
        key: JSON.stringify(named ? this.argument(named, member.name.text) : member.name.text),
        initial: initializer ? this.text(initializer) : "",
        optional: Boolean(initializer) || member.type.isNullable,
      });
    }
    const known = fields.filter((f) => f.type);
    if (known.length > MAX_FIELDS) this.error(cls.name, `a @json class can have ${MAX_FIELDS} fields`);
    const base = Boolean(cls.extendsType);
    const first = base ? "super.__json_count()" : "0";
    const code = `
  __json_count(): i32 { return ${first} + ${known.length}; }
  __json_defaults(): void {
${base ? "    super.__json_defaults();\n" : ""}${fields.filter((f) => f.initial).map((f) => `    this.${f.field} = ${f.initial};\n`).join("")}  }
  __json_read(reader: __wwReader, key: string): i32 {
${known.map((f, i) => `    if (key == ${f.key}) {\n      this.${f.field} = reader.read<${f.type}>();\n      return ${first} + ${i};\n    }\n`).join("")}\
    return ${base ? "super.__json_read(reader, key)" : "-1"};
  }
  __json_missing(seen: u64): string {
${known.map((f, i) => f.optional ? "" : `    if (!(seen >> (${first} + ${i}) & 1)) return ${f.key};\n`).join("")}\
    return ${base ? "super.__json_missing(seen)" : '""'};
  }
  __json_write(writer: __wwWriter): void {
${base ? "    super.__json_write(writer);\n" : ""}${known.map((f) => `    writer.member<${f.type}>(${f.key}, this.${f.field});\n`).join("")}  }
`;
    const generics = cls.typeParameters?.length ? `<${cls.typeParameters.map((p) => p.name.text).join(", ")}>` : "";
    const [made] = this.parse(`class ${cls.name.text}${generics} {${code}}`, "json").statements;
    for (const member of made.members) {
      member.parent = cls;
      cls.members.push(member);
    }
    this.used = true;
  }
}
