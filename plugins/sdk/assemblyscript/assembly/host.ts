// The host's functions: docs/abi.md has a table for each.

// @ts-ignore: decorator
@external("thresher", "call_info") export declare function call_info(buffer: usize, room: u32): u32;
// @ts-ignore: decorator
@external("thresher", "column_read") export declare function column_read(input: i32, column: i32, from: i64, rows: i64, part: i32, buffer: usize, room: u32): i64;
// @ts-ignore: decorator
@external("thresher", "input_layout") export declare function input_layout(input: i32, batch: i32, buffer: usize, room: u32): i64;
// @ts-ignore: decorator
@external("thresher", "input_map") export declare function input_map(input: i32, offset: i64, bytes: i64, buffer: usize, room: u32): usize;
// @ts-ignore: decorator
@external("thresher", "result_write") export declare function result_write(text: usize, n: u32): void;
// @ts-ignore: decorator
@external("thresher", "table_append") export declare function table_append(name: usize, n: u32, columns: usize, columnsN: u32, rows: i64, buffers: usize): void;
// @ts-ignore: decorator
@external("thresher", "artifact_write") export declare function artifact_write(name: usize, n: u32, media: usize, mediaN: u32, content: usize, contentN: u32): void;
// @ts-ignore: decorator
@external("thresher", "progress") export declare function progress(fraction: f64, text: usize, n: u32): void;
// @ts-ignore: decorator
@external("thresher", "log") export declare function log(text: usize, n: u32): void;
// @ts-ignore: decorator
@external("thresher", "fail") export declare function fail(text: usize, n: u32): void;
// @ts-ignore: decorator
@external("thresher", "vector_floats") export declare function vector_floats(v: usize, out: usize): i64;
// @ts-ignore: decorator
@external("thresher", "vector_sum") export declare function vector_sum(v: usize, out: usize): i64;
// @ts-ignore: decorator
@external("thresher", "vector_variance") export declare function vector_variance(v: usize, ddof: i32, out: usize): i64;
// @ts-ignore: decorator
@external("thresher", "vector_minmax") export declare function vector_minmax(v: usize, out: usize): i64;
// @ts-ignore: decorator
@external("thresher", "vector_dot") export declare function vector_dot(x: usize, y: usize, out: usize): i64;
// @ts-ignore: decorator
@external("thresher", "vector_linreg") export declare function vector_linreg(x: usize, y: usize, out: usize): i64;
// @ts-ignore: decorator
@external("thresher", "vector_histogram") export declare function vector_histogram(v: usize, low: f64, high: f64, bins: i32, counts: usize): i64;
// @ts-ignore: decorator
@external("thresher", "vector_sort") export declare function vector_sort(v: usize, out: usize): i64;
// @ts-ignore: decorator
@external("thresher", "vector_argsort") export declare function vector_argsort(v: usize, rows: usize, room: usize): i64;
// @ts-ignore: decorator
@external("thresher", "vector_quantiles") export declare function vector_quantiles(v: usize, count: i32, shares: usize, out: usize, room: usize): i64;
// @ts-ignore: decorator
@external("thresher", "vector_cumsum") export declare function vector_cumsum(v: usize, out: usize): i64;
// @ts-ignore: decorator
@external("thresher", "vector_group") export declare function vector_group(keys: usize, base: i64, values: usize, groups: i32, counts: usize, sums: usize, room: usize): i64;

// The bytes of text, and their address.
export function utf8(text: string): ArrayBuffer { return String.UTF8.encode(text); }
export function address(bytes: ArrayBuffer): usize { return changetype<usize>(bytes); }
