// The guest of bench/sandbox in AssemblyScript: see guests/go/main.go.
function routine(name: string): string {
  return '{"name":"' + name + '","kind":"analysis","title":"","params":{"type":"object"}}';
}

const manifest: ArrayBuffer = String.UTF8.encode('{"name":"bench-as","version":"1.0.0","summary":"","routines":[' +
  routine("nothing") + "," + routine("spin") + "," + routine("recurse") + "," + routine("fib") + "," +
  routine("matmul") + "," + routine("sieve") + "," + routine("nbody") + "," + routine("sha256") + "," +
  routine("sort") + "," + routine("search") + "," + routine("hash") + "]}");

export function thresher_describe(): i64 {
  return <i64>(<u64>changetype<usize>(manifest) << 32 | <u64>manifest.byteLength);
}

export function thresher_alloc(n: i32): usize { return heap.alloc(n); }

export function nothing(): i32 { return 0; }

function fib(n: i64): i64 { return n < 2 ? n : fib(n - 1) + fib(n - 2); }

const SIDE: i32 = 200;
const a = new StaticArray<f64>(SIDE * SIDE), b = new StaticArray<f64>(SIDE * SIDE), c = new StaticArray<f64>(SIDE * SIDE);

function matmul(): i64 {
  for (let i = 0; i < SIDE * SIDE; i++) { a[i] = i % 7; b[i] = i % 5; }
  for (let i = 0; i < SIDE; i++)
    for (let j = 0; j < SIDE; j++) {
      let sum = 0.0;
      for (let k = 0; k < SIDE; k++) sum += a[i * SIDE + k] * b[k * SIDE + j];
      c[i * SIDE + j] = sum;
    }
  let total = 0.0;
  for (let i = 0; i < SIDE * SIDE; i++) total += c[i];
  return <i64>total;
}

const BYTES: i32 = 1 << 20;
const buffer = new StaticArray<u8>(BYTES);

function sieve(): i64 {
  let count: i64 = 0;
  for (let round = 0; round < 4; round++) {
    count = 0;
    for (let i = 0; i < BYTES; i++) buffer[i] = 1;
    for (let i = 2; i < BYTES; i++) {
      if (!buffer[i]) continue;
      count++;
      for (let j = 2 * i; j < BYTES; j += i) buffer[j] = 0;
    }
  }
  return count;
}

@unmanaged class Body { x: f64; y: f64; z: f64; u: f64; v: f64; w: f64; mass: f64; }
const bodies = new StaticArray<Body>(5);
for (let i = 0; i < 5; i++) bodies[i] = new Body();

function nbody(): i64 {
  for (let i = 0; i < 5; i++) {
    const p = bodies[i], f = <f64>(i + 1);
    p.x = f; p.y = f * f * 0.5; p.z = 3 - f;
    p.u = 0.1 * f; p.v = 0.2 - 0.05 * f; p.w = 0.03 * f; p.mass = 1 / f;
  }
  for (let n = 0; n < 40000; n++) {
    for (let i = 0; i < 5; i++) {
      const p = bodies[i];
      for (let j = i + 1; j < 5; j++) {
        const q = bodies[j];
        const dx = p.x - q.x, dy = p.y - q.y, dz = p.z - q.z;
        const d = dx * dx + dy * dy + dz * dz + 0.01, m = 0.001 / (d * d);
        p.u -= dx * q.mass * m; p.v -= dy * q.mass * m; p.w -= dz * q.mass * m;
        q.u += dx * p.mass * m; q.v += dy * p.mass * m; q.w += dz * p.mass * m;
      }
    }
    for (let i = 0; i < 5; i++) {
      const p = bodies[i];
      p.x += 0.001 * p.u; p.y += 0.001 * p.v; p.z += 0.001 * p.w;
    }
  }
  return <i64>((bodies[0].x + bodies[1].y + bodies[4].z) * 1e6);
}

const constants = new StaticArray<u32>(64), w = new StaticArray<u32>(64), h = new StaticArray<u32>(8);

function hashing(): i64 {
  let x: u32 = 1;
  for (let i = 0; i < 64; i++) { x = x * 1664525 + 1013904223; constants[i] = x; }
  for (let i = 0; i < 8; i++) h[i] = i + 1;
  for (let i = 0; i < BYTES; i++) buffer[i] = <u8>i;
  for (let at = 0; at < BYTES; at += 64) {
    for (let i = 0; i < 16; i++) {
      const p = at + 4 * i;
      w[i] = <u32>buffer[p] << 24 | <u32>buffer[p + 1] << 16 | <u32>buffer[p + 2] << 8 | <u32>buffer[p + 3];
    }
    for (let i = 16; i < 64; i++) {
      const s0 = rotr<u32>(w[i - 15], 7) ^ rotr<u32>(w[i - 15], 18) ^ w[i - 15] >> 3;
      const s1 = rotr<u32>(w[i - 2], 17) ^ rotr<u32>(w[i - 2], 19) ^ w[i - 2] >> 10;
      w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    let a = h[0], b = h[1], c = h[2], d = h[3], e = h[4], f = h[5], g = h[6], k = h[7];
    for (let i = 0; i < 64; i++) {
      const s1 = rotr<u32>(e, 6) ^ rotr<u32>(e, 11) ^ rotr<u32>(e, 25);
      const t1 = k + s1 + ((e & f) ^ (~e & g)) + constants[i] + w[i];
      const s0 = rotr<u32>(a, 2) ^ rotr<u32>(a, 13) ^ rotr<u32>(a, 22);
      const t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
      k = g; g = f; f = e; e = d + t1; d = c; c = b; b = a; a = t1 + t2;
    }
    h[0] += a; h[1] += b; h[2] += c; h[3] += d; h[4] += e; h[5] += f; h[6] += g; h[7] += k;
  }
  return <i64>h[0];
}

const ITEMS: i32 = 1 << 17;
const numbers = new StaticArray<u32>(ITEMS);

function quick(low: i32, high: i32): void {
  while (low < high) {
    const pivot = numbers[(low + high) / 2];
    let i = low - 1, j = high + 1;
    while (true) {
      do i++; while (numbers[i] < pivot);
      do j--; while (numbers[j] > pivot);
      if (i >= j) break;
      const t = numbers[i]; numbers[i] = numbers[j]; numbers[j] = t;
    }
    quick(low, j);
    low = j + 1;
  }
}

function sorting(): i64 {
  let x: u32 = 7;
  for (let i = 0; i < ITEMS; i++) { x = x * 1664525 + 1013904223; numbers[i] = x; }
  quick(0, ITEMS - 1);
  let sum: i64 = 0;
  for (let i = 0; i < ITEMS; i += 1000) sum += numbers[i];
  return sum;
}

function search(): i64 {
  let x: u32 = 3;
  for (let i = 0; i < BYTES; i++) { x = x * 1664525 + 1013904223; buffer[i] = <u8>(x >> 30); }
  let found: i64 = 0;
  for (let n = 0; n < 4; n++)
    for (let i = 0; i + 6 <= BYTES; i++) {
      let j = 0;
      while (j < 6 && buffer[i + j] == <u8>((n + j) & 3)) j++;
      if (j == 6) found++;
    }
  return found;
}

const SLOTS: u32 = 1 << 17;
const keys = new StaticArray<u32>(SLOTS), values = new StaticArray<u32>(SLOTS);

function probe(key: u32): u32 {
  let at: u32 = key * 2654435761 >> 15;
  while (keys[at] != 0 && keys[at] != key) at = (at + 1) & (SLOTS - 1);
  return at;
}

function hashmap(): i64 {
  let found: i64 = 0;
  for (let round: u32 = 0; round < 4; round++) {
    for (let i: u32 = 0; i < SLOTS; i++) keys[i] = 0;
    let x = round + 1;
    for (let i: u32 = 0; i < SLOTS / 2; i++) {
      x = x * 1664525 + 1013904223;
      const at = probe(x | 1);
      keys[at] = x | 1;
      values[at] += x;
    }
    x = round + 1;
    for (let i: u32 = 0; i < SLOTS; i++) {
      x = x * 1664525 + 1013904223;
      if (keys[probe(x | 1)] == (x | 1)) found++;
    }
  }
  return found;
}

export function kernel(k: i32): i64 {
  switch (k) {
    case 0: return fib(32);
    case 1: return matmul();
    case 2: return sieve();
    case 3: return nbody();
    case 4: return hashing();
    case 5: return sorting();
    case 6: return search();
  }
  return hashmap();
}

let turns: u64 = 0, last: i64 = 0;

export function thresher_run(routine: i32): i32 {
  switch (routine) {
    case 0: return 0;
    case 1: while (true) turns++;
    case 2: while (true) last = fib(40);
  }
  last = kernel(routine - 3);
  return 0;
}
