import * as host from "./host";
import { Obj, List } from "./json";
import { Call } from "./call";

const FLUSH_ROWS = 1024, FLUSH_TEXT = 1 << 20;

// A column of an output table, and its rows that were not yet handed over.
export class Col {
  private values: StaticArray<u64> = new StaticArray<u64>(FLUSH_ROWS); // ints, or the bits of floats
  private offsets: StaticArray<i32> = new StaticArray<i32>(FLUSH_ROWS + 1);
  private bits: StaticArray<u8> = new StaticArray<u8>(FLUSH_ROWS / 8);
  private validity: StaticArray<u8> = new StaticArray<u8>(FLUSH_ROWS / 8);
  private nulls: bool = false;
  private texts: Array<string> = [];
  private content: ArrayBuffer | null = null;
  textBytes: i32 = 0;
  constructor(readonly name: string, readonly kind: string) {}

  add(row: i32, word: u64, text: string, valid: bool): void {
    if (valid) this.validity[row >> 3] |= <u8>1 << <u8>(row & 7);
    else this.nulls = true;
    this.values[row] = word;
    if (word != 0) this.bits[row >> 3] |= <u8>1 << <u8>(row & 7);
    if (this.kind != "string") return;
    this.texts.push(text);
    this.textBytes += String.UTF8.byteLength(text);
    this.offsets[row + 1] = this.textBytes;
  }

  // Writes where its parts are: validity, values and offsets, address and length each.
  parts(rows: i32, out: StaticArray<u32>, at: i32): void {
    const bits = (rows + 7) / 8;
    out[at] = <u32>changetype<usize>(this.validity);
    out[at + 1] = this.nulls ? bits : 0;
    out[at + 2] = <u32>changetype<usize>(this.kind == "bool" ? changetype<StaticArray<u64>>(this.bits) : this.values);
    out[at + 3] = this.kind == "bool" ? bits : 8 * rows;
    if (this.kind != "string") return;
    const content = host.utf8(this.texts.join(""));
    this.content = content;
    out[at + 2] = <u32>host.address(content);
    out[at + 3] = content.byteLength;
    out[at + 4] = <u32>changetype<usize>(this.offsets);
    out[at + 5] = 4 * (rows + 1);
  }

  clear(): void {
    memory.fill(changetype<usize>(this.bits), 0, FLUSH_ROWS / 8);
    memory.fill(changetype<usize>(this.validity), 0, FLUSH_ROWS / 8);
    this.nulls = false;
    this.texts = [];
    this.textBytes = 0;
  }
}

export function intCol(name: string): Col { return new Col(name, "int64"); }
export function floatCol(name: string): Col { return new Col(name, "float64"); }
export function boolCol(name: string): Col { return new Col(name, "bool"); }
export function textCol(name: string): Col { return new Col(name, "string"); }

// An output table: the values of a row, column by column, then end. Rows are handed to
// the host in batches.
export class Writer {
  private rows: i32 = 0;
  private at: i32 = 0;
  private wrong: string = "";
  constructor(private call: Call, private name: string, private columns: Array<Col>) {}

  private add(kinds: string, word: u64, text: string, valid: bool): Writer {
    if (this.at == this.columns.length) { this.wrong = "more values than columns"; return this; }
    const c = this.columns[this.at++];
    if (!kinds.includes(c.kind)) this.wrong = "a value is not of its column's type";
    else c.add(this.rows, word, text, valid);
    return this;
  }

  int(v: i64): Writer {
    if (this.at < this.columns.length && this.columns[this.at].kind == "float64") return this.float(<f64>v);
    return this.add("int64", v, "", true);
  }
  float(v: f64): Writer { return this.add("float64", reinterpret<u64>(v), "", true); }
  bool(v: bool): Writer { return this.add("bool", v ? 1 : 0, "", true); }
  text(v: string): Writer { return this.add("string", 0, v, true); }
  null(): Writer { return this.add("int64 float64 bool string", 0, "", false); }

  // Ends a row. Where it does not fit the columns it answers false, and the routine has
  // failed.
  end(): bool {
    if (this.wrong == "" && this.at < this.columns.length) this.wrong = "fewer values than columns";
    if (this.wrong != "") {
      this.call.fail("table " + this.name + ": " + this.wrong);
      return false;
    }
    this.rows++;
    this.at = 0;
    let text = 0;
    for (let i = 0; i < this.columns.length; i++) text += this.columns[i].textBytes;
    if (this.rows == FLUSH_ROWS || text >= FLUSH_TEXT) this.flush();
    return true;
  }

  // Hands over the rows so far, so that readers see them.
  flush(): void {
    if (!this.rows) return;
    const parts = new StaticArray<u32>(6 * this.columns.length), schema = new List();
    for (let i = 0; i < this.columns.length; i++) {
      schema.obj(new Obj().text("name", this.columns[i].name).text("type", this.columns[i].kind));
      this.columns[i].parts(this.rows, parts, 6 * i);
    }
    const name = host.utf8(this.name), columns = host.utf8(schema.toString());
    host.table_append(host.address(name), name.byteLength, host.address(columns), columns.byteLength, this.rows, changetype<usize>(parts));
    for (let i = 0; i < this.columns.length; i++) this.columns[i].clear();
    this.rows = 0;
  }
}
