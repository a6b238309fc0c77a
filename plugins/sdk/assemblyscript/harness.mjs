// Runs a plugin's routines in its own tests, under node, with tables made of text:
//
//   import { load } from "thresher-sdk";
//   const plugin = await load("plugin.wasm");
//   const run = plugin.run("greet", { params: { times: 2 }, csv: { data: "name,age\nAnn,31\nBob,\n" } });
//   assert.equal(run.error, null);
//   assert.equal(run.result, '{"greeted":4}');
//
// It runs the module itself, of whatever language. Params get their defaults. That they
// keep their limits, pausing and the sandbox's own limits are not tested; sums and
// variances may differ from the host's in their last digits.
import { readFile } from "node:fs/promises";

const text = new TextDecoder(), bytes = new TextEncoder();

/** A module, which each run has an instance of. */
export async function load(path) {
  const module = await WebAssembly.compile(await readFile(path));
  const probe = new Guest(module, { inputs: [] });
  const at = BigInt.asUintN(64, probe.exports.thresher_describe());
  const manifest = JSON.parse(probe.text(Number(at >> 32n), Number(at & 0xffffffffn)));
  return { manifest, run: (name, job = {}) => run(module, manifest, name, job), examples: () => examples(module, manifest) };
}

function run(module, manifest, name, { params = {}, csv = {}, seed = 0n }) {
  const number = manifest.routines.findIndex((r) => r.name === name);
  if (number < 0) throw new Error("there is no routine " + name);
  const routine = manifest.routines[number];
  const filled = { ...params };
  for (const [key, p] of Object.entries(routine.params.properties ?? {})) if (!(key in filled) && "default" in p) filled[key] = p.default;
  const inputs = Object.entries(csv).sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, content]) => table(key, content));
  const described = inputs.map((t) => ({
    name: t.name, rows: t.rows, bytes: t.file.length, batches: t.rows ? 1 : 0, columns: t.columns.map(({ name, type }) => ({ name, type })),
  }));
  const info = `{"params":${JSON.stringify(filled)},"seed":${seed},"inputs":${JSON.stringify(described)}}`;
  const guest = new Guest(module, { inputs, info: bytes.encode(info) });
  let status = routine.kind === "simulation" ? guest.exports.thresher_init(number) : guest.exports.thresher_run(number);
  if (routine.kind === "simulation") while (status === 0) status = guest.exports.thresher_step(1);
  const out = guest.left;
  out.error = status === -1 ? out.said : null;
  return out;
}

/** Runs every example that the plugin declares, and returns what is wrong with each. */
function examples(module, manifest) {
  const wrong = [];
  for (const r of manifest.routines) {
    for (const x of r.examples ?? []) {
      const got = run(module, manifest, r.name, { params: x.params, csv: x.inputs, seed: BigInt(x.seed ?? 0) });
      if ("result" in x ? got.error !== null || JSON.stringify(JSON.parse(got.result)) !== JSON.stringify(x.result) : got.error === null)
        wrong.push(`${r.name}, ${x.name}: got ${got.error ?? got.result}`);
    }
  }
  return wrong;
}

/** A table of CSV with a header. An empty field is null. */
function table(name, content) {
  const lines = content.replace(/\n$/, "").split("\n").map(fields), header = lines.shift();
  const file = [];
  const columns = header.map((column, i) => {
    const values = lines.map((l) => l[i] ?? "");
    const type = infer(values);
    const spans = parts(values, type).map((part) => {
      while (file.length % 8) file.push(0);
      const at = file.length;
      for (const b of part) file.push(b);
      return [at, part.length];
    });
    return { name: column, type, values, spans };
  });
  return { name, rows: lines.length, columns, file: Uint8Array.from(file) };
}

function fields(line) {
  const out = [];
  for (const m of line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)) out.push(m[1] === undefined ? m[2] : m[1].replaceAll('""', '"'));
  return out;
}

function infer(values) {
  const given = values.filter((v) => v !== ""), all = (re) => given.length > 0 && given.every((v) => re.test(v));
  if (all(/^-?\d+$/)) return "int64";
  if (all(/^-?\d+(\.\d*)?(e[+-]?\d+)?$/i)) return "float64";
  return all(/^(true|false)$/) ? "bool" : "string";
}

function bits(flags) {
  const out = new Uint8Array((flags.length + 7) >> 3);
  flags.forEach((set, i) => { if (set) out[i >> 3] |= 1 << (i & 7); });
  return out;
}

/** Validity, values and offsets, as they are in a file. */
function parts(values, type) {
  const raw = (typed) => new Uint8Array(typed.buffer), none = new Uint8Array(0);
  const validity = values.includes("") ? bits(values.map((v) => v !== "")) : none;
  if (type === "int64") return [validity, raw(BigInt64Array.from(values, (v) => BigInt(v || 0))), none];
  if (type === "float64") return [validity, raw(Float64Array.from(values, Number)), none];
  if (type === "bool") return [validity, bits(values.map((v) => v === "true")), none];
  const texts = values.map((v) => bytes.encode(v)), offsets = new Int32Array(values.length + 1);
  texts.forEach((t, i) => { offsets[i + 1] = offsets[i] + t.length; });
  return [validity, Uint8Array.from(texts.flatMap((t) => [...t])), raw(offsets)];
}

/** An instance and its host. */
class Guest {
  constructor(module, { inputs, info = new Uint8Array(0) }) {
    this.left = { result: null, tables: {}, artifacts: {}, log: "", progress: [], said: null };
    this.inputs = inputs;
    const imports = { thresher: { ...this.host(info), ...this.kernels() }, wasi_snapshot_preview1: new Proxy({}, { get: () => () => 52 }) };
    this.exports = new WebAssembly.Instance(module, imports).exports;
    this.exports._initialize?.();
  }

  get memory() { return this.exports.memory.buffer; }
  text(at, n) { return text.decode(new Uint8Array(this.memory, at >>> 0, n)); }
  put(at, content) { new Uint8Array(this.memory).set(content, at >>> 0); }

  /** Writes content if there is room for it, and returns how much it is. */
  answer(content, at, room) {
    if (content.length <= room) this.put(at, content);
    return content.length;
  }

  host(info) {
    const { left, inputs } = this;
    return {
      call_info: (at, room) => this.answer(info, at, room),
      column_read: (input, column, from, rows, part, at, room) => {
        const t = inputs[input], c = t.columns[column], [start, n] = c.spans[part];
        if (from !== 0n || Number(rows) !== t.rows) throw new Error("only whole columns can be read here");
        return BigInt(this.answer(part === 0 && n === 0 ? new Uint8Array((t.rows + 7) >> 3).fill(255) : t.file.subarray(start, start + n), at, room));
      },
      input_layout: (input, _batch, at, room) => {
        const t = inputs[input], words = [t.rows, ...t.columns.flatMap((c) => c.spans.flat())];
        return BigInt(this.answer(new Uint8Array(BigInt64Array.from(words, BigInt).buffer), at, room));
      },
      input_map: (input, offset, n, at) => {
        this.put(at, inputs[input].file.subarray(Number(offset), Number(offset + n)));
        return at;
      },
      result_write: (at, n) => { left.result = this.text(at, n); },
      artifact_write: (a, an, m, mn, c, cn) => {
        const name = this.text(a, an);
        if (name in left.artifacts) throw new Error("two artifacts are named " + name);
        left.artifacts[name] = this.text(c, cn);
      },
      progress: (fraction) => { left.progress.push(fraction); },
      log: (at, n) => { left.log += this.text(at, n); },
      fail: (at, n) => { left.said = this.text(at, n); },
      table_append: (a, an, c, cn, rows, at) => this.append(this.text(a, an), JSON.parse(this.text(c, cn)), Number(rows), at),
    };
  }

  append(name, columns, rows, at) {
    const p = new Uint32Array(this.memory, at, 6 * columns.length), view = new DataView(this.memory);
    const bit = (from, row) => (view.getUint8(from + (row >> 3)) >> (row & 7)) & 1;
    const out = (this.left.tables[name] ??= []);
    for (let row = 0; row < rows; row++) {
      out.push(Object.fromEntries(columns.map(({ name: key, type }, i) => {
        const [validity, nulls, values, , offsets] = p.subarray(6 * i, 6 * i + 6);
        if (nulls && !bit(validity, row)) return [key, null];
        if (type === "int64") return [key, Number(view.getBigInt64(values + 8 * row, true))];
        if (type === "float64") return [key, view.getFloat64(values + 8 * row, true)];
        if (type === "bool") return [key, bit(values, row) === 1];
        const from = view.getInt32(offsets + 4 * row, true);
        return [key, this.text(values + from, view.getInt32(offsets + 4 * row + 4, true) - from)];
      })));
    }
  }

  /** The rows of a vector that are not null: [row, value]; whole numbers are BigInts. */
  gather(at) {
    const view = new DataView(this.memory), input = view.getInt32(at, true), column = view.getInt32(at + 4, true);
    const from = Number(view.getBigUint64(at + 8, true)), n = Number(view.getBigUint64(at + 16, true)), validity = view.getUint32(at + 24, true);
    const out = [];
    for (let i = 0; i < n; i++) {
      if (input >= 0) {
        const c = this.inputs[input].columns[column], v = c.values[from + i];
        if (v !== "") out.push([i, c.type === "int64" ? BigInt(v) : Number(v)]);
      } else if (!validity || (view.getUint8(validity + (i >> 3)) >> (i & 7)) & 1)
        out.push([i, column ? view.getBigInt64(from + 8 * i, true) : view.getFloat64(from + 8 * i, true)]);
    }
    return Object.assign(out, { all: n });
  }

  pairs(x, y) {
    const other = new Map(this.gather(y));
    return this.gather(x).filter(([row]) => other.has(row)).map(([row, v]) => [v, Number(other.get(row))]);
  }

  kernels() {
    const view = () => new DataView(this.memory);
    const floats = (at, list) => list.forEach((v, i) => view().setFloat64(at + 8 * i, v, true));
    const ints = (at, list) => list.forEach((v, i) => view().setBigInt64(at + 8 * i, BigInt(v), true));
    const either = (at, list) => (typeof list[0] === "bigint" ? ints : floats)(at, list);
    const total = (list) => { // Neumaier's
      let sum = 0, rest = 0;
      for (const v of list) { const t = sum + v; rest += Math.abs(sum) >= Math.abs(v) ? sum - t + v : v - t + sum; sum = t; }
      return Number.isFinite(rest) ? sum + rest : sum;
    };
    const fits = (n) => n >= -(2n ** 63n) && n < 2n ** 63n;
    const order = (a, b) => (Number.isNaN(a) || Number.isNaN(b) ? Number.isNaN(a) - Number.isNaN(b) : a < b ? -1 : a > b ? 1 : 0);
    const sorted = (v) => this.gather(v).sort((a, b) => order(a[1], b[1]) || a[0] - b[0]);
    const moments = (list) => { const mean = total(list) / list.length; return [mean, total(list.map((v) => (v - mean) ** 2))]; };
    return {
      vector_floats: (v, out) => { const g = this.gather(v), all = new Array(g.all).fill(0); for (const [r, x] of g) all[r] = Number(x); floats(out, all); return BigInt(g.length); },
      vector_sum: (v, out) => {
        const g = this.gather(v).map(([, x]) => x);
        if (typeof g[0] !== "bigint") { floats(out, [total(g)]); return BigInt(g.length); }
        const sum = g.reduce((a, b) => a + b, 0n);
        if (!fits(sum)) return -2n;
        ints(out, [sum]);
        return BigInt(g.length);
      },
      vector_variance: (v, ddof, out) => {
        const g = this.gather(v).map(([, x]) => Number(x)), [mean, squares] = moments(g);
        floats(out, [mean, g.length > ddof ? squares / (g.length - ddof) : NaN]);
        return BigInt(g.length);
      },
      vector_minmax: (v, out) => {
        const g = sorted(v).map(([, x]) => x), last = g[g.length - 1];
        either(out, g.length === 0 || Number.isNaN(last) ? [NaN, NaN] : [g[0], last]);
        return BigInt(g.length);
      },
      vector_dot: (x, y, out) => { const p = this.pairs(x, y); floats(out, [total(p.map(([a, b]) => Number(a) * b))]); return BigInt(p.length); },
      vector_linreg: (x, y, out) => {
        const p = this.pairs(x, y).map(([a, b]) => [Number(a), b]), [mx, xx] = moments(p.map((q) => q[0])), [my, yy] = moments(p.map((q) => q[1]));
        const xy = total(p.map(([a, b]) => (a - mx) * (b - my)));
        floats(out, p.length < 2 ? [0, my, NaN] : [xy / xx, my - (xy / xx) * mx, xy / Math.sqrt(xx * yy)]);
        return BigInt(p.length);
      },
      vector_histogram: (v, low, high, bins, out) => {
        if (!Number.isFinite(low) || !Number.isFinite(high) || low >= high || bins < 1) return -3n;
        const counts = new Array(bins).fill(0), g = this.gather(v).map(([, x]) => Number(x)).filter((x) => x >= low && x <= high);
        for (const x of g) counts[Math.min(Math.floor(((x / 2 - low / 2) / (high / 2 - low / 2)) * bins), bins - 1)]++;
        ints(out, counts);
        return BigInt(g.length);
      },
      vector_sort: (v, out) => { const g = sorted(v); either(out, g.map(([, x]) => x)); return BigInt(g.length); },
      vector_argsort: (v, out) => { const g = sorted(v); g.forEach(([r], i) => view().setUint32(out + 4 * i, r, true)); return BigInt(g.length); },
      vector_quantiles: (v, n, shares, out) => {
        const g = sorted(v).map(([, x]) => Number(x)), answers = [];
        for (let i = 0; i < n; i++) {
          const share = view().getFloat64(shares + 8 * i, true), at = share * (g.length - 1), low = Math.floor(at), rest = at - low;
          if (!(share >= 0 && share <= 1)) return -3n;
          answers.push(g.length === 0 || Number.isNaN(g[g.length - 1]) ? NaN : rest > 0 ? g[low] * (1 - rest) + g[low + 1] * rest : g[low]);
        }
        floats(out, answers);
        return BigInt(g.length);
      },
      vector_cumsum: (v, out) => {
        const g = this.gather(v), whole = typeof g[0]?.[1] === "bigint", given = new Map(g), all = [];
        for (let i = 0, sum = whole ? 0n : 0; i < g.all; i++) { sum += given.get(i) ?? (whole ? 0n : 0); if (whole && !fits(sum)) return -2n; all.push(sum); }
        either(out, all);
        return BigInt(g.all);
      },
      vector_group: (keys, base, values, n, counts, sums) => {
        const c = new Array(n).fill(0), s = new Array(n).fill(0), p = this.pairs(keys, values);
        for (const [key, x] of p) { const i = Number(key - base); if (i < 0 || i >= n) return -3n; c[i]++; s[i] += x; }
        ints(counts, c);
        floats(sums, s);
        return BigInt(p.length);
      },
    };
  }
}
