// Types in and out, for json.test.js.
import { ApplicationFailure, Attributes, fail, JSON, JsonKind, JsonValue, log, ok, Payload, Result } from "wasmworker-sdk-assemblyscript";

enum Color { Red, Green, Blue }

@json
class Point {
  constructor(public x: f64, readonly y: f64 = 7) {}
}

@json
class Base {
  id!: string;
  count: i32;
}

@json
class All extends Base {
  flag: bool = true;
  small: i8 = 1;
  byte: u8 = 2;
  long: i64 = -3;
  unsigned: u64 = 4;
  single: f32 = 0.5;
  double: f64 = 0.25;
  color: Color = Color.Green;
  text: string | null = null;
  @name("a \"name\"") renamed: string = "r";
  @omit secret: string = "hidden";
  points: Point[] = [];
  nested: Point | null;
  by_name: Map<string, i32[]> = new Map();
  any: JsonValue | null;
  static shared: i32 = 5;
  private kept: i32 = 6;

  get computed(): i32 { return this.kept; }
}

@json
class Pair<A, B> {
  first!: A;
  second!: B;
}

@json
class Tree {
  name: string = "";
  children: Tree[] = [];
}

@activity function all(a: All): All { return a; }
@activity function pair(p: Pair<string, Pair<i32, bool>>): Pair<string, Pair<i32, bool>> { return p; }
@activity function tree(t: Tree): Tree { return t; }
@activity function float(x: f64): f64 { return x; }
@activity function floats(x: f64[]): f64[] { return x; }
@activity function text(s: string): string { return s; }
@activity function long(n: i64): i64 { return n; }
@activity function unsigned(n: u64): u64 { return n; }
@activity function byte(n: i8): i8 { return n; }
@activity function flag(b: bool): bool { return b; }
@activity function any(v: JsonValue): JsonValue { return v; }
@activity function nullable(s: string | null): string | null { return s; }
@activity function optional(a: i32, b: i32 = 10, c: string | null = "c"): string { return a.toString() + " " + b.toString() + " " + (c ? c : "null"); }
@activity function raw(a: Uint8Array): i32 { return a.length; }
@activity function rest(first: i32, others: Array<Payload>): i32 { return first * 100 + others.length; }
@activity function nan(): f64 { return NaN; }
@activity function numbers(value: JsonValue): string {
  return value.get("a").asInteger().toString() + " " + value.get("b").asNumber().toString() + " " + value.get("none").at(3).asString("other") + " " +
    value.get("c").asBool().toString() + " " + value.length.toString() + " " + (value.get("d").kind == JsonKind.Null).toString();
}

@activity function parse(s: string): Result<string> {
  const value = JSON.parse<All>(s);
  if (value.error) return fail<string>(ApplicationFailure.nonRetryable(value.error!.message, "Bad"));
  return ok(JSON.stringify(value.value.points.length));
}

@activity function dynamic(): Attributes {
  return new Attributes().set("a", [1, 2]).set("b", "x").set("c", new Point(1, 2));
}

@activity function bad_attributes(): Attributes {
  const a = new Attributes().set("x", Infinity);
  log.info("m", a);
  return a;
}

@activity function cycle(): Tree {
  const t = new Tree();
  t.children.push(t);
  return t;
}

// What it makes is garbage but for the sums: a collector that misses a root would be seen.
@activity function many(n: i32): i64 {
  const one = "{\"id\":\"i\",\"count\":3,\"points\":[{\"x\":1},{\"x\":2,\"y\":3}],\"by_name\":{\"k\":[1,2]},\"any\":[null,{\"z\":\"y\"}]}";
  let sum: i64 = 0;
  const kept: All[] = [];
  for (let i = 0; i < n; i++) {
    const a = JSON.parse<All>(one).value;
    if (i % 100 == 0) kept.push(a);
    sum += JSON.stringify(a).length;
  }
  for (let i = 0; i < kept.length; i++) sum += kept[i].by_name.get("k")[1] + <i64>kept[i].points[1].y + kept[i].any!.at(1).get("z").asString().length;
  return sum;
}
