// The guest of bench/sandbox in Rust: see guests/go/main.go.
#![crate_type = "cdylib"]

static MANIFEST: &str = concat!(
    "{\"name\":\"bench-rust\",\"version\":\"1.0.0\",\"summary\":\"\",\"routines\":[",
    "{\"name\":\"nothing\",\"kind\":\"analysis\",\"title\":\"\",\"params\":{\"type\":\"object\"}},",
    "{\"name\":\"spin\",\"kind\":\"analysis\",\"title\":\"\",\"params\":{\"type\":\"object\"}},",
    "{\"name\":\"recurse\",\"kind\":\"analysis\",\"title\":\"\",\"params\":{\"type\":\"object\"}},",
    "{\"name\":\"fib\",\"kind\":\"analysis\",\"title\":\"\",\"params\":{\"type\":\"object\"}},",
    "{\"name\":\"matmul\",\"kind\":\"analysis\",\"title\":\"\",\"params\":{\"type\":\"object\"}},",
    "{\"name\":\"sieve\",\"kind\":\"analysis\",\"title\":\"\",\"params\":{\"type\":\"object\"}},",
    "{\"name\":\"nbody\",\"kind\":\"analysis\",\"title\":\"\",\"params\":{\"type\":\"object\"}},",
    "{\"name\":\"sha256\",\"kind\":\"analysis\",\"title\":\"\",\"params\":{\"type\":\"object\"}},",
    "{\"name\":\"sort\",\"kind\":\"analysis\",\"title\":\"\",\"params\":{\"type\":\"object\"}},",
    "{\"name\":\"search\",\"kind\":\"analysis\",\"title\":\"\",\"params\":{\"type\":\"object\"}},",
    "{\"name\":\"hash\",\"kind\":\"analysis\",\"title\":\"\",\"params\":{\"type\":\"object\"}}]}"
);

#[no_mangle]
pub extern "C" fn thresher_describe() -> i64 {
    ((MANIFEST.as_ptr() as u64) << 32 | MANIFEST.len() as u64) as i64
}

#[no_mangle]
pub extern "C" fn thresher_alloc(n: i32) -> *mut u8 {
    Box::leak(vec![0u8; n as usize].into_boxed_slice()).as_mut_ptr()
}

#[no_mangle]
pub extern "C" fn nothing() -> i32 {
    0
}

fn next(x: u32) -> u32 {
    x.wrapping_mul(1664525).wrapping_add(1013904223)
}

#[inline(never)]
fn fib(n: i64) -> i64 {
    if n < 2 { n } else { fib(n - 1) + fib(n - 2) }
}

const SIDE: usize = 200;

fn matmul() -> i64 {
    let a: Vec<f64> = (0..SIDE * SIDE).map(|i| (i % 7) as f64).collect();
    let b: Vec<f64> = (0..SIDE * SIDE).map(|i| (i % 5) as f64).collect();
    let mut c = vec![0f64; SIDE * SIDE];
    for i in 0..SIDE {
        for j in 0..SIDE {
            let mut sum = 0.0;
            for k in 0..SIDE {
                sum += a[i * SIDE + k] * b[k * SIDE + j];
            }
            c[i * SIDE + j] = sum;
        }
    }
    c.iter().sum::<f64>() as i64
}

const BYTES: usize = 1 << 20;

fn sieve() -> i64 {
    let mut buffer = vec![1u8; BYTES];
    let mut count = 0;
    for _ in 0..4 {
        count = 0;
        for b in buffer.iter_mut() {
            *b = 1;
        }
        for i in 2..BYTES {
            if buffer[i] == 0 {
                continue;
            }
            count += 1;
            let mut j = 2 * i;
            while j < BYTES {
                buffer[j] = 0;
                j += i;
            }
        }
    }
    count
}

#[derive(Clone, Copy, Default)]
struct Body { x: f64, y: f64, z: f64, u: f64, v: f64, w: f64, mass: f64 }

fn nbody() -> i64 {
    let mut bodies = [Body::default(); 5];
    for i in 0..5 {
        let f = (i + 1) as f64;
        bodies[i] = Body { x: f, y: f * f * 0.5, z: 3.0 - f, u: 0.1 * f, v: 0.2 - 0.05 * f, w: 0.03 * f, mass: 1.0 / f };
    }
    for _ in 0..40_000 {
        for i in 0..5 {
            for j in i + 1..5 {
                let (p, q) = (bodies[i], bodies[j]);
                let (dx, dy, dz) = (p.x - q.x, p.y - q.y, p.z - q.z);
                let d = dx * dx + dy * dy + dz * dz + 0.01;
                let m = 0.001 / (d * d);
                bodies[i].u -= dx * q.mass * m;
                bodies[i].v -= dy * q.mass * m;
                bodies[i].w -= dz * q.mass * m;
                bodies[j].u += dx * p.mass * m;
                bodies[j].v += dy * p.mass * m;
                bodies[j].w += dz * p.mass * m;
            }
        }
        for p in bodies.iter_mut() {
            p.x += 0.001 * p.u;
            p.y += 0.001 * p.v;
            p.z += 0.001 * p.w;
        }
    }
    ((bodies[0].x + bodies[1].y + bodies[4].z) * 1e6) as i64
}

fn hashing() -> i64 {
    let mut constants = [0u32; 64];
    let mut x = 1;
    for c in constants.iter_mut() {
        x = next(x);
        *c = x;
    }
    let buffer: Vec<u8> = (0..BYTES).map(|i| i as u8).collect();
    let mut h = [1u32, 2, 3, 4, 5, 6, 7, 8];
    let mut w = [0u32; 64];
    for block in buffer.chunks(64) {
        for i in 0..16 {
            let p = &block[4 * i..4 * i + 4];
            w[i] = (p[0] as u32) << 24 | (p[1] as u32) << 16 | (p[2] as u32) << 8 | p[3] as u32;
        }
        for i in 16..64 {
            let s0 = w[i - 15].rotate_right(7) ^ w[i - 15].rotate_right(18) ^ w[i - 15] >> 3;
            let s1 = w[i - 2].rotate_right(17) ^ w[i - 2].rotate_right(19) ^ w[i - 2] >> 10;
            w[i] = w[i - 16].wrapping_add(s0).wrapping_add(w[i - 7]).wrapping_add(s1);
        }
        let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut k] = h;
        for i in 0..64 {
            let s1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
            let t1 = k.wrapping_add(s1).wrapping_add(e & f ^ !e & g).wrapping_add(constants[i]).wrapping_add(w[i]);
            let s0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
            let t2 = s0.wrapping_add(a & b ^ a & c ^ b & c);
            k = g;
            g = f;
            f = e;
            e = d.wrapping_add(t1);
            d = c;
            c = b;
            b = a;
            a = t1.wrapping_add(t2);
        }
        for (to, from) in h.iter_mut().zip([a, b, c, d, e, f, g, k]) {
            *to = to.wrapping_add(from);
        }
    }
    h[0] as i64
}

const ITEMS: usize = 1 << 17;

fn quick(v: &mut [u32], mut low: i32, high: i32) {
    while low < high {
        let pivot = v[((low + high) / 2) as usize];
        let (mut i, mut j) = (low - 1, high + 1);
        loop {
            i += 1;
            while v[i as usize] < pivot {
                i += 1;
            }
            j -= 1;
            while v[j as usize] > pivot {
                j -= 1;
            }
            if i >= j {
                break;
            }
            v.swap(i as usize, j as usize);
        }
        quick(v, low, j);
        low = j + 1;
    }
}

fn sorting() -> i64 {
    let mut numbers = vec![0u32; ITEMS];
    let mut x = 7;
    for n in numbers.iter_mut() {
        x = next(x);
        *n = x;
    }
    quick(&mut numbers, 0, ITEMS as i32 - 1);
    numbers.iter().step_by(1000).map(|n| *n as i64).sum()
}

fn search() -> i64 {
    let mut buffer = vec![0u8; BYTES];
    let mut x = 3;
    for b in buffer.iter_mut() {
        x = next(x);
        *b = (x >> 30) as u8;
    }
    let mut found = 0;
    for n in 0..4 {
        let mut i = 0;
        while i + 6 <= BYTES {
            let mut j = 0;
            while j < 6 && buffer[i + j] == ((n + j) & 3) as u8 {
                j += 1;
            }
            if j == 6 {
                found += 1;
            }
            i += 1;
        }
    }
    found
}

const SLOTS: usize = 1 << 17;

fn probe(keys: &[u32], key: u32) -> usize {
    let mut at = (key.wrapping_mul(2654435761) >> 15) as usize;
    while keys[at] != 0 && keys[at] != key {
        at = (at + 1) & (SLOTS - 1);
    }
    at
}

fn hashmap() -> i64 {
    let mut keys = vec![0u32; SLOTS];
    let mut values = vec![0u32; SLOTS];
    let mut found = 0;
    for round in 0..4 {
        for k in keys.iter_mut() {
            *k = 0;
        }
        let mut x = round + 1;
        for _ in 0..SLOTS / 2 {
            x = next(x);
            let at = probe(&keys, x | 1);
            keys[at] = x | 1;
            values[at] = values[at].wrapping_add(x);
        }
        x = round + 1;
        for _ in 0..SLOTS {
            x = next(x);
            if keys[probe(&keys, x | 1)] == x | 1 {
                found += 1;
            }
        }
    }
    found
}

#[no_mangle]
pub extern "C" fn kernel(k: i32) -> i64 {
    match k {
        0 => fib(32),
        1 => matmul(),
        2 => sieve(),
        3 => nbody(),
        4 => hashing(),
        5 => sorting(),
        6 => search(),
        _ => hashmap(),
    }
}

static mut TURNS: u64 = 0;
static mut LAST: i64 = 0;

#[no_mangle]
pub extern "C" fn thresher_run(routine: i32) -> i32 {
    unsafe {
        match routine {
            0 => return 0,
            1 => loop {
                std::ptr::write_volatile(&mut TURNS, std::ptr::read_volatile(&TURNS) + 1)
            },
            2 => loop {
                std::ptr::write_volatile(&mut LAST, fib(40))
            },
            _ => std::ptr::write_volatile(&mut LAST, kernel(routine - 3)),
        }
    }
    0
}
