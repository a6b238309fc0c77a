import * as host from "./host";
import { Value } from "./json";
import { Call } from "./call";
import { Vector } from "./vector";

export class Column {
  constructor(readonly name: string, readonly kind: string) {}
}

// A column in memory. validity and values are addresses: 0 is nowhere.
export abstract class Values {
  constructor(readonly rows: i32, protected values: usize, protected validity: usize, protected keeps: ArrayBuffer | null, protected nulls: ArrayBuffer | null) {}
  // Whether a row is not null.
  valid(row: i32): bool { return this.validity == 0 || bit(this.validity, row); }
}

function bit(at: usize, row: i32): bool { return <bool>(load<u8>(at + (row >> 3)) >> <u8>(row & 7) & 1); }

export class Floats extends Values {
  // The value of a row; of a null row 0.
  at(row: i32): f64 { return load<f64>(this.values + (<usize>row << 3)); }
}
export class Ints extends Values {
  at(row: i32): i64 { return load<i64>(this.values + (<usize>row << 3)); }
}
export class Bools extends Values {
  at(row: i32): bool { return bit(this.values, row); }
}
export class Texts extends Values {
  offsets: usize = 0;
  ends: ArrayBuffer | null = null;
  at(row: i32): string {
    const from = load<i32>(this.offsets + (<usize>row << 2)), to = load<i32>(this.offsets + (<usize>row << 2), 4);
    return String.UTF8.decodeUnsafe(this.values + from, to - from);
  }
}

// An input table. Columns are read whole into the plugin's memory; vector leaves them
// where they are, and batches maps them without copying. What cannot be read is null,
// and the routine has failed.
export class Table {
  readonly name: string;
  readonly rows: i32;
  readonly fileBytes: i64;
  readonly batchCount: i32;
  readonly columns: Array<Column> = [];

  constructor(readonly call: Call, readonly number: i32, v: Value) {
    this.name = v.text("name");
    this.rows = <i32>v.int("rows");
    this.fileBytes = v.int("bytes");
    this.batchCount = <i32>v.int("batches");
    const columns = v.list("columns");
    for (let i = 0; i < columns.length; i++) this.columns.push(new Column(columns[i].text("name"), columns[i].text("type")));
  }

  // The number of a column, or -1.
  find(name: string): i32 {
    for (let i = 0; i < this.columns.length; i++) if (this.columns[i].name == name) return i;
    return -1;
  }

  // The number of a column of one of some types, or -1, and the routine has failed.
  want(name: string, kinds: string, word: string): i32 {
    const i = this.find(name);
    if (i < 0) { this.call.fail("the table " + this.name + ' has no column "' + name + '"'); return -1; }
    if ((" " + kinds + " ").includes(" " + this.columns[i].kind + " ")) return i;
    this.call.fail('column "' + name + '" is ' + this.columns[i].kind + ", want " + word);
    return -1;
  }

  private part(column: i32, part: i32, bytes: i32): ArrayBuffer {
    const out = new ArrayBuffer(bytes);
    host.column_read(this.number, column, 0, this.rows, part, host.address(out), bytes);
    return out;
  }

  private bits(column: i32, part: i32): ArrayBuffer { return this.part(column, part, (this.rows + 7) / 8); }

  // A column of numbers or booleans as floats.
  floats(name: string): Floats | null {
    const i = this.want(name, "int64 float64 bool", "a number");
    if (i < 0) return null;
    const nulls = this.bits(i, 0), kind = this.columns[i].kind;
    let values: ArrayBuffer;
    if (kind == "float64") values = this.part(i, 1, 8 * this.rows);
    else if (kind == "int64") values = new Vector(this.number, i, 0, this.rows, true).floats().buffer;
    else {
      values = new ArrayBuffer(8 * this.rows);
      const set = this.bits(i, 1);
      for (let row = 0; row < this.rows; row++) store<f64>(host.address(values) + (<usize>row << 3), <f64>bit(host.address(set), row));
    }
    return new Floats(this.rows, host.address(values), host.address(nulls), values, nulls);
  }

  // A column of integers, timestamps (microseconds since 1970) or dates (days since 1970).
  ints(name: string): Ints | null {
    const i = this.want(name, "int64 timestamp date", "integers");
    if (i < 0) return null;
    const nulls = this.bits(i, 0);
    let values: ArrayBuffer;
    if (this.columns[i].kind == "date") {
      values = new ArrayBuffer(8 * this.rows);
      const days = this.part(i, 1, 4 * this.rows);
      for (let row = 0; row < this.rows; row++) store<i64>(host.address(values) + (<usize>row << 3), load<i32>(host.address(days) + (<usize>row << 2)));
    } else values = this.part(i, 1, 8 * this.rows);
    return new Ints(this.rows, host.address(values), host.address(nulls), values, nulls);
  }

  bools(name: string): Bools | null {
    const i = this.want(name, "bool", "booleans");
    if (i < 0) return null;
    const values = this.bits(i, 1), nulls = this.bits(i, 0);
    return new Bools(this.rows, host.address(values), host.address(nulls), values, nulls);
  }

  texts(name: string): Texts | null {
    const i = this.want(name, "string", "text");
    if (i < 0) return null;
    const ends = this.part(i, 2, 4 * (this.rows + 1)), nulls = this.bits(i, 0);
    const values = this.part(i, 1, load<i32>(host.address(ends) + (<usize>this.rows << 2)));
    const t = new Texts(this.rows, host.address(values), host.address(nulls), values, nulls);
    t.offsets = host.address(ends);
    t.ends = ends;
    return t;
  }

  // A column of numbers or timestamps, which stays where it is.
  vector(name: string): Vector | null {
    const i = this.want(name, "int64 float64 timestamp", "a number");
    return i < 0 ? null : new Vector(this.number, i, 0, this.rows, this.columns[i].kind != "float64");
  }

  // The rows in order, a batch at a time, as they are in the table's file: nothing of
  // them is copied. for (const b = table.batches(); b.next();) { … }
  batches(): Batch { return new Batch(this); }
}

const MAP_ROOM: i64 = 128 << 10, MAP_AT_ONCE: i64 = 64 << 20;

// A run of rows. Its columns may be read until the next.
export class Batch {
  first: i64 = 0;
  rows: i32 = 0;
  private number: i32 = -1;
  private layout: StaticArray<i64>;
  private buffer: usize = 0;
  private room: i64 = 0;
  private view: usize = 0;
  private from: i64 = 0;
  private to: i64 = 0;

  constructor(readonly table: Table) { this.layout = new StaticArray<i64>(1 + 6 * table.columns.length); }

  next(): bool {
    const t = this.table;
    if (this.number + 1 >= t.batchCount) {
      if (this.buffer) heap.free(this.buffer);
      this.buffer = 0;
      return false;
    }
    this.first += this.rows;
    host.input_layout(t.number, ++this.number, changetype<usize>(this.layout), 8 * this.layout.length);
    this.rows = <i32>this.layout[0];
    let from = t.fileBytes, to: i64 = 0;
    for (let i = 1; i < this.layout.length; i += 2) {
      if (this.layout[i + 1] == 0) continue;
      from = min(from, this.layout[i]);
      to = max(to, this.layout[i] + this.layout[i + 1]);
    }
    to = max(to, from);
    if (this.view && this.from <= from && to <= this.to) return true;
    to = max(to, min(from + MAP_AT_ONCE, t.fileBytes));
    if (to - from + MAP_ROOM > this.room) {
      if (this.buffer) heap.free(this.buffer);
      this.room = to - from + MAP_ROOM;
      this.buffer = heap.alloc(<usize>this.room);
    }
    this.from = from;
    this.to = to;
    this.view = host.input_map(t.number, from, to - from, this.buffer, <u32>this.room);
    return true;
  }

  // Where a part of a column is; 0: it is empty.
  private part(column: i32, part: i32): usize {
    const at = 1 + 6 * column + 2 * part;
    return this.layout[at + 1] ? this.view + <usize>(this.layout[at] - this.from) : 0;
  }

  floats(name: string): Floats | null {
    const i = this.table.want(name, "float64", "float64");
    return i < 0 ? null : new Floats(this.rows, this.part(i, 1), this.part(i, 0), null, null);
  }

  // Integers, or timestamps in microseconds since 1970.
  ints(name: string): Ints | null {
    const i = this.table.want(name, "int64 timestamp", "int64 or timestamp");
    return i < 0 ? null : new Ints(this.rows, this.part(i, 1), this.part(i, 0), null, null);
  }

  bools(name: string): Bools | null {
    const i = this.table.want(name, "bool", "bool");
    return i < 0 ? null : new Bools(this.rows, this.part(i, 1), this.part(i, 0), null, null);
  }

  texts(name: string): Texts | null {
    const i = this.table.want(name, "string", "string");
    if (i < 0) return null;
    const t = new Texts(this.rows, this.part(i, 1), this.part(i, 0), null, null);
    t.offsets = this.part(i, 2);
    return t;
  }
}
