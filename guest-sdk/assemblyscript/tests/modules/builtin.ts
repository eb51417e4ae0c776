// The modules http, config, secret, sql and blob, for builtin.test.js.
import { blob, config, fail, http, HostError, JSON, JsonValue, ok, Result, secret, sql } from "wasmworker-sdk-assemblyscript";

function say(error: Error | null): string {
  if (!error) return "ok";
  return error instanceof HostError ? (error as HostError).errno.toString() + " " + error.message : error.message;
}

@activity function configure(name: string): Result<string | null> { return config.get(name); }
@activity function reveal(name: string): Result<string> { return secret.reveal(name); }

@activity function send(url: string): Result<string[]> {
  const sent = new http.Request(url, "POST").withHeader("A", "1").withHeader("B", "2").withHeader("B", "3").withText("é").withTimeout(5000).send();
  if (sent.error) return fail<string[]>(sent.error!);
  const r = sent.value;
  return ok([
    r.status.toString(), r.ok.toString(), r.text, r.header("content-TYPE"), r.header("none"), r.headerValues("set-cookie").join("|"), say(r.json<i32[]>().error),
  ]);
}
@activity function simple(url: string): Result<Uint8Array> {
  const r = http.get(url);
  return r.error ? fail<Uint8Array>(r.error!) : ok(r.value.body);
}

@activity function args(): Result<i64> {
  const a = new sql.Args().add(1).add<i64>(i64.MAX_VALUE).add<u8>(255).add(true).add(1.5).add<f64>(2).add(-1e300).add<f32>(0.1).add("q\"ü")
    .add<string | null>(null).add<string | null>("x").add(Uint8Array.wrap(String.UTF8.encode("12"))).add(new Uint8Array(0))
    .add<Uint8Array | null>(Uint8Array.wrap(String.UTF8.encode("3"))).add(JSON.parse<JsonValue>("1.50").value);
  return new sql.Connection("w").exec("S", a);
}
@activity function bad_args(): string[] {
  const w = new sql.Connection("w");
  return [
    say(w.exec("S", new sql.Args().add("do not tell").add<f64>(NaN)).error), say(w.exec("S", new sql.Args().add<f32>(-Infinity)).error),
    say(w.query("S", new sql.Args().add(JSON.parse<JsonValue>("[\"do not tell\"]").value)).error),
  ];
}
@activity function rows(batch: i32, limit: i32): Result<JsonValue[]> {
  const q = new sql.Connection("w").query("S", null, batch);
  if (q.error) return fail<JsonValue[]>(q.error!);
  const rows = q.value;
  const out: JsonValue[] = [];
  while (rows.next()) {
    const b = rows.bytes(rows.column("b"));
    out.push(rows.value(0));
    out.push(b ? JSON.parse<JsonValue>("\"" + b.toString() + "\"").value : rows.value(1));
    if (out.length == limit * 2) break;
  }
  if (rows.error) return fail<JsonValue[]>(rows.error!);
  if (limit == 0) assert(!rows.next() && !rows.next() && rows.value(0).isNull);
  const problem = rows.close();
  assert(rows.close() === null && !rows.next());
  return problem ? fail<JsonValue[]>(problem) : ok(out);
}
@activity function columns(): string[] {
  const rows = new sql.Connection("w").query("S").value;
  return rows.columns.map<string>((c) => c.name + " " + c.type).concat([rows.column("none").toString()]);
}
@json class Order { id!: i64; note: string | null = null; total: f64 = 0; }
@activity function decode(): Result<Order[]> {
  const rows = new sql.Connection("w").query("S").value;
  const orders: Order[] = [];
  while (rows.next()) {
    const order = rows.decode<Order>();
    if (order.error) return fail<Order[]>(order.error!);
    orders.push(order.value);
  }
  return ok(orders);
}
@activity function integer(): i64 {
  const rows = new sql.Connection("w").query("S").value;
  rows.next();
  return rows.value(0).asInteger();
}
@activity function transaction(end: string): Result<string[]> {
  const begun = new sql.Connection("w").begin(end == "commit", end == "commit" ? "serializable" : "");
  if (begun.error) return fail<string[]>(begun.error!);
  const tx = begun.value;
  const said = [say(tx.exec("S").error), say(tx.query("Q").error)];
  said.push(end == "commit" ? say(tx.commit()) : say(tx.rollback()));
  return ok(said);
}

@activity function objects(): string[] {
  const box = new blob.Bucket("box");
  const said = [
    say(box.putText("k", "é", new blob.Options().withContentType("text/plain").withMetadata("a", "b").withIfNoneMatch())), say(box.put("k", new Uint8Array(1))),
  ];
  const stat = box.stat("k").value;
  said.push(stat.size.toString() + " " + stat.contentType + " " + stat.modified!.toISOString() + " " + stat.etag + " " + stat.metadata.get("a"));
  const none = box.stat("k").value;
  said.push(none.size.toString() + none.contentType + (none.modified === null).toString() + none.etag + none.metadata.size.toString());
  const object = box.get("k").value;
  said.push(object.text + " " + object.size.toString() + " " + object.data.length.toString());
  said.push(box.get("k", 3, 0).value.data.toString());
  said.push(say(box.delete("k")));
  return said;
}
@activity function list(prefix: string, delimiter: string): Result<string[]> {
  const list = new blob.Bucket("box").list(prefix, delimiter);
  const keys: string[] = [];
  while (list.next()) {
    const e = list.entry;
    keys.push(e.key + " " + e.size.toString() + " " + e.isPrefix.toString() + " " + (e.modified === null).toString());
  }
  assert(!list.next());
  return list.error ? fail<string[]>(list.error!) : ok(keys);
}
@activity function read(max: i32, times: i32): Result<string> {
  const opened = new blob.Bucket("box").open("k", 1, 5);
  if (opened.error) return fail<string>(opened.error!);
  const reader = opened.value;
  let text = reader.attributes.size.toString();
  for (let i = 0; i < times; i++) {
    const part = max == 0 ? reader.read() : reader.read(max);
    if (part.error) return fail<string>(part.error!);
    text += "|" + String.UTF8.decode(part.value.slice().buffer);
  }
  const problem = reader.close();
  return problem ? fail<string>(problem) : ok(text);
}
@activity function write(size: i32, keep: bool): Result<string[]> {
  const made = new blob.Bucket("box").create("k", new blob.Options().withContentType("t"));
  if (made.error) return fail<string[]>(made.error!);
  const w = made.value;
  const said = [say(w.writeText("é")), say(w.write(new Uint8Array(0))), say(w.write(new Uint8Array(size)))];
  if (keep) said.push(say(w.commit()));
  said.push(say(w.abort()));
  said.push(say(w.abort()));
  return ok(said);
}
