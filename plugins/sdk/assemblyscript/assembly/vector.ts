import * as host from "./host";

// What kernels answer instead of a number of values.
export const OVERFLOW: i64 = -2, RANGE: i64 = -3;

// A column of numbers: of an input, where the host reads it in place, or in memory. Nulls
// are as if they were not there. docs/abi.md says what each method does. count is how
// many values took part in the last, or a negative code.
export class Vector {
  count: i64 = 0;
  private at: StaticArray<u64> = new StaticArray<u64>(4);
  private keeps: ArrayBufferView | null = null;
  private nulls: Uint8Array | null = null;

  constructor(input: i32, column: i32, from: u64, readonly length: i32, readonly isInts: bool) {
    this.at[0] = <u64><u32>input | (<u64>column << 32);
    this.at[1] = from;
    this.at[2] = length;
  }

  static ofFloats(values: Float64Array): Vector {
    const v = new Vector(-1, 0, values.dataStart, values.length, false);
    v.keeps = values;
    return v;
  }

  static ofInts(values: Int64Array): Vector {
    const v = new Vector(-1, 1, values.dataStart, values.length, true);
    v.keeps = values;
    return v;
  }

  // The same vector in memory, of which some values are null: a bit for each.
  withNulls(validity: Uint8Array): Vector {
    this.nulls = validity;
    this.at[3] = validity.dataStart;
    return this;
  }

  private get p(): usize { return changetype<usize>(this.at); }

  floats(): Float64Array {
    const out = new Float64Array(this.length);
    this.count = host.vector_floats(this.p, out.dataStart);
    return out;
  }

  // Of floats.
  sum(): f64 {
    assert(!this.isInts);
    const out = new Float64Array(1);
    this.count = host.vector_sum(this.p, out.dataStart);
    return out[0];
  }

  // Of integers, exact: look whether count is OVERFLOW.
  sumInts(): i64 {
    assert(this.isInts);
    const out = new Int64Array(1);
    this.count = host.vector_sum(this.p, out.dataStart);
    return out[0];
  }

  // Mean and variance.
  variance(ddof: i32): Float64Array {
    const out = new Float64Array(2);
    this.count = host.vector_variance(this.p, ddof, out.dataStart);
    return out;
  }

  minmax(): Float64Array {
    assert(!this.isInts);
    const out = new Float64Array(2);
    this.count = host.vector_minmax(this.p, out.dataStart);
    return out;
  }

  minmaxInts(): Int64Array {
    assert(this.isInts);
    const out = new Int64Array(2);
    this.count = host.vector_minmax(this.p, out.dataStart);
    return out;
  }

  dot(other: Vector): f64 {
    const out = new Float64Array(1);
    this.count = host.vector_dot(this.p, other.p, out.dataStart);
    return out[0];
  }

  // Slope, intercept and correlation of other on this.
  linreg(other: Vector): Float64Array {
    const out = new Float64Array(3);
    this.count = host.vector_linreg(this.p, other.p, out.dataStart);
    return out;
  }

  histogram(low: f64, high: f64, bins: i32): Int64Array {
    const counts = new Int64Array(bins);
    this.count = host.vector_histogram(this.p, low, high, bins, counts.dataStart);
    return counts;
  }

  sorted(): Float64Array {
    assert(!this.isInts);
    const out = new Float64Array(this.length);
    this.count = host.vector_sort(this.p, out.dataStart);
    return out.subarray(0, <i32>this.count);
  }

  sortedInts(): Int64Array {
    assert(this.isInts);
    const out = new Int64Array(this.length);
    this.count = host.vector_sort(this.p, out.dataStart);
    return out.subarray(0, <i32>this.count);
  }

  // The rows that are not null in the order of their values.
  argsort(): Uint32Array {
    const rows = new Uint32Array(this.length), room = new Float64Array(this.length);
    this.count = host.vector_argsort(this.p, rows.dataStart, room.dataStart);
    return rows.subarray(0, <i32>this.count);
  }

  // The values at shares from 0 to 1.
  quantiles(shares: Array<f64>): Float64Array {
    const out = new Float64Array(shares.length), room = new Float64Array(this.length);
    this.count = host.vector_quantiles(this.p, shares.length, shares.dataStart, out.dataStart, room.dataStart);
    return out;
  }

  cumsum(): Float64Array {
    assert(!this.isInts);
    const out = new Float64Array(this.length);
    this.count = host.vector_cumsum(this.p, out.dataStart);
    return out;
  }

  // Exact: look whether count is OVERFLOW.
  cumsumInts(): Int64Array {
    assert(this.isInts);
    const out = new Int64Array(this.length);
    this.count = host.vector_cumsum(this.p, out.dataStart);
    return out;
  }

  // Counts values by group, which is this, the key, less base, and adds them up. Look
  // whether count is RANGE.
  group(base: i64, groups: i32, values: Vector): Groups {
    const g = new Groups(new Int64Array(groups), new Float64Array(groups)), room = new Float64Array(groups);
    this.count = host.vector_group(this.p, base, values.p, groups, g.counts.dataStart, g.sums.dataStart, room.dataStart);
    return g;
  }
}

export class Groups {
  constructor(readonly counts: Int64Array, readonly sums: Float64Array) {}
}
