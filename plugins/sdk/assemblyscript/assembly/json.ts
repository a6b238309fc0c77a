import { shortest, nearest } from "./big";

// A number as JSON: null where it has no word for it (NaN, infinities).
export function number(v: f64): string {
  if (!isFinite(v)) return "null";
  if (reinterpret<u64>(v) >> 63) return "-" + number(-v);
  if (v < 9007199254740992 && v == <f64>(<i64>v)) return (<i64>v).toString();
  const pair = shortest(v), space = pair.indexOf(" ");
  const e = I32.parseInt(pair.substring(0, space)), digits = pair.substring(space + 1), n = digits.length;
  if (e < -6 || e >= 21)
    return digits.charAt(0) + (n > 1 ? "." : "") + digits.substring(1) + "e" + (e < 0 ? "-" : "+") + abs(e).toString();
  if (e < 0) return "0." + "0".repeat(-e - 1) + digits;
  if (n > e + 1) return digits.substring(0, e + 1) + "." + digits.substring(e + 1);
  return digits + "0".repeat(e + 1 - n);
}

// Text as JSON, escaped as the Go SDK does it.
export function quote(text: string): string {
  let out = '"', from = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    let escaped = "";
    if (c == 34) escaped = '\\"';
    else if (c == 92) escaped = "\\\\";
    else if (c == 10) escaped = "\\n";
    else if (c == 13) escaped = "\\r";
    else if (c == 9) escaped = "\\t";
    else if (c == 8) escaped = "\\b";
    else if (c == 12) escaped = "\\f";
    else if (c < 32 || c == 60 || c == 62 || c == 38 || c == 0x2028 || c == 0x2029) escaped = "\\u" + c.toString(16).padStart(4, "0");
    else continue;
    out += text.substring(from, i) + escaped;
    from = i + 1;
  }
  return out + text.substring(from) + '"';
}

// Writes JSON. Keys stand in the order in which they are set.
export class Obj {
  private fields: Array<string> = [];
  raw(key: string, json: string): Obj { this.fields.push(quote(key) + ":" + json); return this; }
  text(key: string, v: string): Obj { return this.raw(key, quote(v)); }
  int(key: string, v: i64): Obj { return this.raw(key, v.toString()); }
  float(key: string, v: f64): Obj { return this.raw(key, number(v)); }
  bool(key: string, v: bool): Obj { return this.raw(key, v ? "true" : "false"); }
  obj(key: string, v: Obj): Obj { return this.raw(key, v.toString()); }
  list(key: string, v: List): Obj { return this.raw(key, v.toString()); }
  toString(): string { return "{" + this.fields.join(",") + "}"; }
}

// Writes an array of JSON.
export class List {
  private items: Array<string> = [];
  get length(): i32 { return this.items.length; }
  raw(json: string): List { this.items.push(json); return this; }
  text(v: string): List { return this.raw(quote(v)); }
  int(v: i64): List { return this.raw(v.toString()); }
  float(v: f64): List { return this.raw(number(v)); }
  bool(v: bool): List { return this.raw(v ? "true" : "false"); }
  obj(v: Obj): List { return this.raw(v.toString()); }
  toString(): string { return "[" + this.items.join(",") + "]"; }

  static floats(values: Float64Array): List {
    const l = new List();
    for (let i = 0; i < values.length; i++) l.float(values[i]);
    return l;
  }

  static ints(values: Int64Array): List {
    const l = new List();
    for (let i = 0; i < values.length; i++) l.int(values[i]);
    return l;
  }
}

// A value that was read. What the host sends is valid: nothing is checked.
export class Value {
  word: string = ""; // a number, true, false or null, as it stood there; of text, its content
  kind: string = ""; // string, array, object, or empty: a word
  keys: Array<string> = [];
  items: Array<Value> = [];

  get(key: string): Value | null {
    const i = this.keys.indexOf(key);
    return i < 0 ? null : this.items[i];
  }
  text(key: string): string { const v = this.get(key); return v ? v.word : ""; }
  int(key: string): i64 { const v = this.get(key); return v ? I64.parseInt(v.word) : 0; }
  list(key: string): Array<Value> { const v = this.get(key); return v ? v.items : []; }
  get isNumber(): bool { return this.kind == "" && this.word.length > 0 && (this.word.charCodeAt(0) == 45 || (this.word.charCodeAt(0) >= 48 && this.word.charCodeAt(0) <= 57)); }
  get float(): f64 { return float(this.word); }
}

// The float of a number's text, to the last bit.
export function float(word: string): f64 {
  let digits = "", e = 0, i = 0, point = false;
  const minus = word.charCodeAt(0) == 45;
  for (i = minus ? 1 : 0; i < word.length; i++) {
    const c = word.charCodeAt(i);
    if (c == 46) point = true;
    else if (c >= 48 && c <= 57) { digits += word.charAt(i); if (point) e--; }
    else break;
  }
  if (i < word.length) e += I32.parseInt(word.charAt(i + 1) == "+" ? word.substring(i + 2) : word.substring(i + 1));
  const v = nearest(digits, e);
  return minus ? -v : v;
}

export function parse(text: string): Value { return new Parser(text).value(); }

class Parser {
  at: i32 = 0;
  constructor(public text: string) {}

  peek(): i32 {
    while (this.at < this.text.length && this.text.charCodeAt(this.at) <= 32) this.at++;
    return this.at < this.text.length ? this.text.charCodeAt(this.at) : 0;
  }

  value(): Value {
    const v = new Value(), c = this.peek();
    if (c == 34) { v.kind = "string"; v.word = this.string(); return v; }
    if (c != 123 && c != 91) {
      const from = this.at;
      while (this.at < this.text.length && ",:]} \n\r\t".indexOf(this.text.charAt(this.at)) < 0) this.at++;
      v.word = this.text.substring(from, this.at);
      return v;
    }
    v.kind = c == 123 ? "object" : "array";
    for (this.at++; this.peek() != 125 && this.peek() != 93;) {
      if (this.peek() == 44) this.at++;
      if (c == 123) {
        this.peek();
        v.keys.push(this.string());
        this.peek();
        this.at++; // the colon
      }
      v.items.push(this.value());
    }
    this.at++;
    return v;
  }

  string(): string {
    let out = "", from = ++this.at;
    for (; this.text.charCodeAt(this.at) != 34; this.at++) {
      if (this.text.charCodeAt(this.at) != 92) continue;
      out += this.text.substring(from, this.at++);
      const c = this.text.charAt(this.at), plain = "bfnrt".indexOf(c);
      if (c == "u") { out += String.fromCharCode(<i32>parseInt(this.text.substring(this.at + 1, this.at + 5), 16)); this.at += 4; }
      else out += plain < 0 ? c : "\b\f\n\r\t".charAt(plain);
      from = this.at + 1;
    }
    out += this.text.substring(from, this.at++);
    return out;
  }
}
