//! The host's functions. Natively, module test has them.

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use crate::test::host::*;

#[cfg(target_arch = "wasm32")]
pub(crate) use sandbox::*;

#[cfg(target_arch = "wasm32")]
mod sandbox {
    use crate::vector::{Place, Vector};
    use crate::writer::Buffer;

    mod raw {
        use super::Descriptor;

        #[link(wasm_import_module = "thresher")]
        extern "C" {
            pub fn call_info(buffer: *mut u8, room: usize) -> usize;
            pub fn column_read(input: i32, column: i32, from: i64, rows: i64, part: i32, buffer: *mut u8, room: usize) -> i64;
            pub fn input_layout(input: i32, batch: i32, buffer: *mut u8, room: usize) -> i64;
            pub fn input_map(input: i32, offset: i64, bytes: i64, buffer: *mut u8, room: usize) -> usize;
            pub fn result_write(text: *const u8, n: usize);
            pub fn table_append(name: *const u8, n: usize, columns: *const u8, columns_n: usize, rows: i64, buffers: *const u32);
            pub fn artifact_write(name: *const u8, n: usize, media: *const u8, media_n: usize, content: *const u8, content_n: usize);
            pub fn progress(fraction: f64, text: *const u8, n: usize);
            pub fn log(text: *const u8, n: usize);
            pub fn fail(text: *const u8, n: usize);
            pub fn vector_floats(v: *const Descriptor, out: *mut f64) -> i64;
            pub fn vector_sum(v: *const Descriptor, out: *mut u8) -> i64;
            pub fn vector_variance(v: *const Descriptor, ddof: i32, out: *mut f64) -> i64;
            pub fn vector_minmax(v: *const Descriptor, out: *mut u8) -> i64;
            pub fn vector_dot(x: *const Descriptor, y: *const Descriptor, out: *mut f64) -> i64;
            pub fn vector_linreg(x: *const Descriptor, y: *const Descriptor, out: *mut f64) -> i64;
            pub fn vector_histogram(v: *const Descriptor, low: f64, high: f64, bins: i32, counts: *mut i64) -> i64;
            pub fn vector_sort(v: *const Descriptor, out: *mut u8) -> i64;
            pub fn vector_argsort(v: *const Descriptor, rows: *mut u32, room: *mut u64) -> i64;
            pub fn vector_quantiles(v: *const Descriptor, count: i32, shares: *const f64, out: *mut f64, room: *mut f64) -> i64;
            pub fn vector_cumsum(v: *const Descriptor, out: *mut u8) -> i64;
            pub fn vector_group(
                keys: *const Descriptor, base: i64, values: *const Descriptor, groups: i32, counts: *mut i64, sums: *mut f64, room: *mut u64,
            ) -> i64;
        }
    }

    /// A vector as the host reads it.
    #[repr(C, align(8))]
    pub struct Descriptor {
        input: i32,
        column: i32,
        from: u64,
        rows: u64,
        validity: u32,
        reserved: u32,
    }

    fn at(v: &Vector) -> Descriptor {
        let (input, column, from) = match &v.place {
            Place::Column { input, column, .. } => (input.number, *column, 0),
            Place::Floats(values) => (-1, 0, values.as_ptr() as u64),
            Place::Ints(values) => (-1, 1, values.as_ptr() as u64),
        };
        Descriptor { input, column, from, rows: v.len() as u64, validity: v.validity.map_or(0, |b| b.as_ptr() as u32), reserved: 0 }
    }

    // In all of these the host reads and writes within the buffers that it is told of.

    pub fn call_info() -> String {
        let mut info = vec![0; unsafe { raw::call_info(std::ptr::null_mut(), 0) }];
        unsafe { raw::call_info(info.as_mut_ptr(), info.len()) };
        String::from_utf8(info).expect("the host writes UTF-8")
    }

    pub fn column_read(input: i32, column: i32, rows: i64, part: i32, out: &mut [u8]) {
        unsafe { raw::column_read(input, column, 0, rows, part, out.as_mut_ptr(), out.len()) };
    }

    pub fn input_layout(input: i32, batch: i32, out: &mut [u8]) {
        unsafe { raw::input_layout(input, batch, out.as_mut_ptr(), out.len()) };
    }

    /// Where in the buffer the bytes are.
    pub fn input_map(input: i32, offset: i64, bytes: i64, buffer: &mut [u8]) -> usize {
        let start = buffer.as_mut_ptr();
        unsafe { raw::input_map(input, offset, bytes, start, buffer.len()) - start as usize }
    }

    pub fn result_write(text: &str) {
        unsafe { raw::result_write(text.as_ptr(), text.len()) }
    }

    pub fn table_append(name: &str, schema: &str, rows: usize, columns: &mut [Buffer]) {
        let mut buffers = Vec::new();
        for c in columns {
            for part in c.parts() {
                buffers.push(part.as_ptr() as u32);
                buffers.push(part.len() as u32);
            }
        }
        unsafe { raw::table_append(name.as_ptr(), name.len(), schema.as_ptr(), schema.len(), rows as i64, buffers.as_ptr()) }
    }

    pub fn artifact_write(name: &str, media: &str, content: &[u8]) {
        unsafe { raw::artifact_write(name.as_ptr(), name.len(), media.as_ptr(), media.len(), content.as_ptr(), content.len()) }
    }

    pub fn progress(fraction: f64, message: &str) {
        unsafe { raw::progress(fraction, message.as_ptr(), message.len()) }
    }

    pub fn log(text: &str) {
        unsafe { raw::log(text.as_ptr(), text.len()) }
    }

    pub fn fail(text: &str) {
        unsafe { raw::fail(text.as_ptr(), text.len()) }
    }

    pub fn vector_floats(v: &Vector, out: &mut [f64]) -> i64 {
        unsafe { raw::vector_floats(&at(v), out.as_mut_ptr()) }
    }

    pub fn vector_sum_floats(v: &Vector, out: &mut [f64]) -> i64 {
        unsafe { raw::vector_sum(&at(v), out.as_mut_ptr() as *mut u8) }
    }

    pub fn vector_sum_ints(v: &Vector, out: &mut [i64]) -> i64 {
        unsafe { raw::vector_sum(&at(v), out.as_mut_ptr() as *mut u8) }
    }

    pub fn vector_variance(v: &Vector, ddof: i32, out: &mut [f64]) -> i64 {
        unsafe { raw::vector_variance(&at(v), ddof, out.as_mut_ptr()) }
    }

    pub fn vector_minmax_floats(v: &Vector, out: &mut [f64]) -> i64 {
        unsafe { raw::vector_minmax(&at(v), out.as_mut_ptr() as *mut u8) }
    }

    pub fn vector_minmax_ints(v: &Vector, out: &mut [i64]) -> i64 {
        unsafe { raw::vector_minmax(&at(v), out.as_mut_ptr() as *mut u8) }
    }

    pub fn vector_dot(x: &Vector, y: &Vector, out: &mut [f64]) -> i64 {
        unsafe { raw::vector_dot(&at(x), &at(y), out.as_mut_ptr()) }
    }

    pub fn vector_linreg(x: &Vector, y: &Vector, out: &mut [f64]) -> i64 {
        unsafe { raw::vector_linreg(&at(x), &at(y), out.as_mut_ptr()) }
    }

    pub fn vector_histogram(v: &Vector, low: f64, high: f64, counts: &mut [i64]) -> i64 {
        unsafe { raw::vector_histogram(&at(v), low, high, counts.len() as i32, counts.as_mut_ptr()) }
    }

    pub fn vector_sort_floats(v: &Vector, out: &mut [f64]) -> i64 {
        unsafe { raw::vector_sort(&at(v), out.as_mut_ptr() as *mut u8) }
    }

    pub fn vector_sort_ints(v: &Vector, out: &mut [i64]) -> i64 {
        unsafe { raw::vector_sort(&at(v), out.as_mut_ptr() as *mut u8) }
    }

    pub fn vector_argsort(v: &Vector, rows: &mut [u32]) -> i64 {
        let mut room = vec![0u64; v.len()];
        unsafe { raw::vector_argsort(&at(v), rows.as_mut_ptr(), room.as_mut_ptr()) }
    }

    pub fn vector_quantiles(v: &Vector, shares: &[f64], out: &mut [f64]) -> i64 {
        let mut room = vec![0.0; v.len()];
        unsafe { raw::vector_quantiles(&at(v), shares.len() as i32, shares.as_ptr(), out.as_mut_ptr(), room.as_mut_ptr()) }
    }

    pub fn vector_cumsum_floats(v: &Vector, out: &mut [f64]) -> i64 {
        unsafe { raw::vector_cumsum(&at(v), out.as_mut_ptr() as *mut u8) }
    }

    pub fn vector_cumsum_ints(v: &Vector, out: &mut [i64]) -> i64 {
        unsafe { raw::vector_cumsum(&at(v), out.as_mut_ptr() as *mut u8) }
    }

    pub fn vector_group(keys: &Vector, base: i64, values: &Vector, counts: &mut [i64], sums: &mut [f64]) -> i64 {
        let mut room = vec![0u64; counts.len()];
        let n = counts.len() as i32;
        unsafe { raw::vector_group(&at(keys), base, &at(values), n, counts.as_mut_ptr(), sums.as_mut_ptr(), room.as_mut_ptr()) }
    }
}
