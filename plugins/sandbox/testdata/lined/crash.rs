//! A plugin without an SDK that crashes in Rust's own library, two calls deep.
#![crate_type = "cdylib"]

static MANIFEST: &str = r#"{"name":"lined","version":"1.0.0","summary":"Crashes",
"routines":[{"name":"crash","kind":"analysis","title":"Crash","params":{"type":"object"}}]}"#;

#[no_mangle]
pub extern "C" fn thresher_describe() -> i64 {
    (MANIFEST.as_ptr() as i64) << 32 | MANIFEST.len() as i64
}

#[no_mangle]
pub extern "C" fn thresher_alloc(_bytes: i32) -> i32 {
    0
}

#[inline(never)]
fn pick(values: &[i32], at: usize) -> i32 {
    values[at] // line 19: behind the end
}

#[no_mangle]
pub extern "C" fn thresher_run(routine: i32) -> i32 {
    pick(&[1, 2, 3], routine as usize + 7) // line 24
}
