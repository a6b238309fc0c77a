import { Obj, List, Value, parse, quote, float } from "./json";
import { Call } from "./call";

// What is said of a param. Values are text as it would be in JSON, without quotes.
export abstract class Field {
  protected facts: Array<string> = [];
  standard: string | null = null;
  isOptional: bool = false;
  constructor(readonly key: string, readonly kind: string, readonly items: string) {}

  protected literal(text: string): string { return this.kind == "string" ? quote(text) : text; }

  schema(): string {
    const p = new Obj().text("type", this.kind);
    for (let i = 0; i < this.facts.length; i += 2) p.raw(this.facts[i], this.facts[i + 1]);
    bound(p, this.kind, this.facts);
    if (this.items != "") {
      const items = new Obj().text("type", this.items);
      bound(items, this.items, []);
      p.obj("items", items);
    }
    return p.toString();
  }

  // Takes its value from the params of a call, or says why it cannot.
  abstract decode(v: Value | null): string;
}

// Adds to a schema the bounds of an i64, where the field has none of its own: what does not
// fit is refused before the routine is called.
function bound(p: Obj, kind: string, facts: Array<string>): void {
  if (kind != "integer") return;
  if (facts.indexOf("minimum") < 0 && facts.indexOf("exclusiveMinimum") < 0) p.int("minimum", i64.MIN_VALUE);
  if (facts.indexOf("maximum") < 0) p.int("maximum", i64.MAX_VALUE);
}

// A param: .value is what the routine was called with.
export class Param<T> extends Field {
  constructor(key: string, kind: string, items: string, public value: T, private zero: T) { super(key, kind, items); }

  private fact(name: string, json: string): Param<T> { this.facts.push(name); this.facts.push(json); return this; }
  // The value it has where none is given.
  default(v: string): Param<T> { this.standard = v; return this.fact("default", this.literal(v)); }
  minimum(v: string): Param<T> { return this.fact("minimum", v); }
  maximum(v: string): Param<T> { return this.fact("maximum", v); }
  // An exclusive minimum.
  above(v: string): Param<T> { return this.fact("exclusiveMinimum", v); }
  // The values it may have.
  choices(all: Array<string>): Param<T> {
    const list = new List();
    for (let i = 0; i < all.length; i++) list.raw(this.literal(all[i]));
    return this.fact("enum", list.toString());
  }
  unit(text: string): Param<T> { return this.fact("x-unit", quote(text)); }
  title(text: string): Param<T> { return this.fact("title", quote(text)); }
  doc(text: string): Param<T> { return this.fact("description", quote(text)); }
  // It may be left out: it is then 0, empty or false.
  optional(): Param<T> { this.isOptional = true; return this; }

  decode(given: Value | null): string {
    let v = given;
    const standard = this.standard;
    if (v == null && standard != null) v = parse(this.literal(standard));
    if (v == null) {
      this.value = this.zero;
      return this.isOptional ? "" : "params: " + this.key + " is missing";
    }
    if (!fits(v, this.kind)) return "params: " + this.key + " is not of type " + this.kind;
    if (isArray<T>()) {
      const list = instantiate<T>();
      for (let i = 0; i < v.items.length; i++) list.push(read<valueof<T>>(v.items[i]));
      this.value = list;
    } else this.value = read<T>(v);
    return "";
  }
}

function fits(v: Value, kind: string): bool {
  if (kind == "string" || kind == "array") return v.kind == kind;
  if (kind == "boolean") return v.word == "true" || v.word == "false";
  return v.isNumber;
}

function read<T>(v: Value): T {
  if (isString<T>()) return changetype<T>(v.word);
  if (isBoolean<T>()) return <T>(v.word == "true");
  if (isFloat<T>()) return <T>float(v.word);
  if (v.word.includes(".") || v.word.includes("e") || v.word.includes("E")) return <T>float(v.word);
  return <T>I64.parseInt(v.word);
}

// The params of a routine, in the order in which they are declared.
export class Params {
  fields: Array<Field> = [];

  private add<T extends Field>(f: T): T { this.fields.push(f); return f; }
  integer(key: string): Param<i64> { return this.add(new Param<i64>(key, "integer", "", 0, 0)); }
  number(key: string): Param<f64> { return this.add(new Param<f64>(key, "number", "", 0, 0)); }
  boolean(key: string): Param<bool> { return this.add(new Param<bool>(key, "boolean", "", false, false)); }
  text(key: string): Param<string> { return this.add(new Param<string>(key, "string", "", "", "")); }
  integers(key: string): Param<Array<i64>> { return this.add(new Param<Array<i64>>(key, "array", "integer", [], [])); }
  numbers(key: string): Param<Array<f64>> { return this.add(new Param<Array<f64>>(key, "array", "number", [], [])); }
  booleans(key: string): Param<Array<bool>> { return this.add(new Param<Array<bool>>(key, "array", "boolean", [], [])); }
  texts(key: string): Param<Array<string>> { return this.add(new Param<Array<string>>(key, "array", "string", [], [])); }

  schema(): Obj {
    const properties = new Obj(), required = new List(), order = new List();
    for (let i = 0; i < this.fields.length; i++) {
      const f = this.fields[i];
      properties.raw(f.key, f.schema());
      if (f.standard == null && !f.isOptional) required.text(f.key);
      order.text(f.key);
    }
    return new Obj().text("$schema", "https://json-schema.org/draft/2020-12/schema").bool("additionalProperties", false)
      .obj("properties", properties).list("required", required).text("type", "object").list("x-order", order);
  }
}

// An input table.
export class Input {
  private facts: Obj = new Obj();
  private columns: List = new List();
  constructor(name: string) { this.facts.text("name", name); }
  title(text: string): Input { this.facts.text("title", text); return this; }
  // It may be left out.
  optional(): Input { this.facts.bool("optional", true); return this; }
  // How many rows it must have.
  minRows(n: i64): Input { this.facts.int("min_rows", n); return this; }
  // A column that it must have: of a type, of "number", or with "" of any.
  require(name: string, kind: string): Input {
    const c = new Obj().text("name", name);
    this.columns.obj(kind == "" ? c : c.text("type", kind));
    return this;
  }
  json(): Obj { return this.columns.length ? this.facts.list("columns", this.columns) : this.facts; }
}

// A call of a routine, and what must come of it. A server runs it before it takes the
// plugin.
export class Example {
  private facts: Obj = new Obj();
  private tables: Obj = new Obj();
  private some: bool = false;
  constructor(name: string) { this.facts.text("name", name); }
  params(json: string): Example { this.facts.raw("params", json); return this; }
  seed(seed: u64): Example { this.facts.raw("seed", seed.toString()); return this; }
  // An input's table, as CSV.
  input(name: string, csv: string): Example { this.tables.text(name, csv); this.some = true; return this; }
  // All of the result, as JSON; or else error.
  result(json: string): Example { this.facts.raw("result", json); return this; }
  // The code that it fails with, such as guest_error.
  error(code: string): Example { this.facts.text("error", code); return this; }
  // Of each number of the result, relative; default 1e-9.
  tolerance(t: f64): Example { this.facts.float("tolerance", t); return this; }
  json(): Obj { return this.some ? this.facts.obj("inputs", this.tables) : this.facts; }
}

// A running simulation. Between steps it can be paused. What cannot go on calls c.fail,
// and returns whatever.
export abstract class Simulation {
  // Takes one step, and says whether it was the last.
  abstract step(c: Call): bool;
  // Called after the last step: it is to call c.result.
  abstract result(c: Call): void;
}

// A routine: see analysis and simulation.
export class Routine {
  private inputs: List = new List();
  private outputs: List = new List();
  private examples: List = new List();
  private named: string = "";
  private about: string = "";
  run: ((c: Call) => void) | null = null;
  start: ((c: Call) => Simulation | null) | null = null;
  constructor(readonly name: string, readonly params: Params) {}

  title(text: string): Routine { this.named = text; return this; }
  summary(text: string): Routine { this.about = text; return this; }
  input(i: Input): Routine { this.inputs.obj(i.json()); return this; }
  // A table that it may write.
  output(name: string, title: string): Routine {
    const o = new Obj().text("name", name);
    this.outputs.obj(title == "" ? o : o.text("title", title));
    return this;
  }
  example(x: Example): Routine { this.examples.obj(x.json()); return this; }

  json(): Obj {
    const m = new Obj().text("name", this.name).text("kind", this.run ? "analysis" : "simulation").text("title", this.named);
    if (this.about != "") m.text("summary", this.about);
    m.obj("params", this.params.schema());
    if (this.inputs.length) m.list("inputs", this.inputs);
    if (this.outputs.length) m.list("outputs", this.outputs);
    if (this.examples.length) m.list("examples", this.examples);
    return m;
  }
}

// A routine that is called once.
export function analysis(name: string, params: Params, run: (c: Call) => void): Routine {
  const r = new Routine(name, params);
  r.run = run;
  return r;
}

// A routine that runs step by step. start returns null where it has failed.
export function simulation(name: string, params: Params, start: (c: Call) => Simulation | null): Routine {
  const r = new Routine(name, params);
  r.start = start;
  return r;
}

let head: Obj = new Obj();
export let routines: Array<Routine> = [];

// Declares the plugin. Call it once, at the top of the entry file.
export function plugin(name: string, version: string, summary: string, license: string, all: Array<Routine>): void {
  head = new Obj().text("name", name).text("version", version).text("summary", summary);
  if (license != "") head.text("license", license);
  const list = new List();
  for (let i = 0; i < all.length; i++) list.obj(all[i].json());
  head.list("routines", list);
  routines = all;
}

export function manifest(): string { return head.toString(); }
