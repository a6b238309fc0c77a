/* Uses what the SDK has and the example does not: each SDK has this routine, and a test
 * holds them against each other. */
#include "thresher.h"

#define PARAMS(P) \
    P(INTEGERS, whole, .optional = true) \
    P(NUMBERS, numbers, .optional = true, .title = "Numbers", .unit = "m") \
    P(BOOLEANS, flags, .optional = true) \
    P(TEXTS, words, .optional = true) \
    P(TEXT, mode, .standard = "fast", .choices = "fast,slow") \
    P(NUMBER, ratio, .standard = "0.5", .above = "0", .maximum = "2") \
    P(BOOLEAN, loud, .standard = "true")
THRESHER_PARAMS(all_params, PARAMS)

static void echo(th_json *j, const all_params *p) {
    th_json_key(j, "whole"); th_json_array(j);
    for (size_t i = 0; i < p->whole.count; i++) th_json_int(j, p->whole.items[i]);
    th_json_end(j);
    th_json_key(j, "numbers"); th_json_array(j);
    for (size_t i = 0; i < p->numbers.count; i++) th_json_float(j, p->numbers.items[i]);
    th_json_end(j);
    th_json_key(j, "flags"); th_json_array(j);
    for (size_t i = 0; i < p->flags.count; i++) th_json_bool(j, p->flags.items[i]);
    th_json_end(j);
    th_json_key(j, "words"); th_json_array(j);
    for (size_t i = 0; i < p->words.count; i++) th_json_text(j, p->words.items[i]);
    th_json_end(j);
    th_set_text(j, "mode", p->mode);
    th_set_float(j, "ratio", p->ratio);
    th_set_bool(j, "loud", p->loud);
}

static int read_whole(const th_table *data, th_json *j) {
    th_int_column i;
    th_float_column f;
    th_bool_column b;
    th_text_column s;
    double read[4] = {0};
    th__bytes text = {0};
    if (th_read_ints(data, "i", &i) || th_read_floats(data, "f", &f) || th_read_bools(data, "b", &b) || th_read_texts(data, "s", &s)) return TH_FAILED;
    for (int64_t row = 0; row < data->rows; row++) {
        if (th_valid(i.validity, row)) read[0] += (double)i.values[row];
        if (th_valid(f.validity, row)) read[1] += f.values[row];
        if (th_valid(b.validity, row) && th_bit(b.values, row)) read[2]++;
        if (!th_valid(s.validity, row)) continue;
        th_text t = th_text_at(&s, row);
        read[3]++;
        th__put(&text, t.bytes, t.length);
    }
    th_json_key(j, "read"); th_json_array(j);
    for (int k = 0; k < 4; k++) th_json_float(j, read[k]);
    th_json_end(j);
    th_json_key(j, "text"); th_json_bytes(j, (th_text){text.bytes, text.length});
    return TH_OK;
}

static int copy_batches(th_call *c, const th_table *data) {
    th_writer *out = th_output(c, "copy", th_int_col("i"), th_float_col("f"), th_bool_col("b"), th_text_col("s"));
    for (th_batch batch = th_batches(data); th_next(&batch);) {
        th_int_column i;
        th_float_column f;
        th_bool_column b;
        th_text_column s;
        if (th_batch_ints(&batch, "i", &i) || th_batch_floats(&batch, "f", &f) || th_batch_bools(&batch, "b", &b) || th_batch_texts(&batch, "s", &s)) return TH_FAILED;
        for (int64_t row = 0; row < batch.rows; row++) {
            if (th_valid(i.validity, row)) th_add_int(out, i.values[row]); else th_add_null(out);
            if (th_valid(f.validity, row)) th_add_float(out, f.values[row]); else th_add_null(out);
            if (th_valid(b.validity, row)) th_add_bool(out, th_bit(b.values, row)); else th_add_null(out);
            if (th_valid(s.validity, row)) th_add_bytes(out, th_text_at(&s, row)); else th_add_null(out);
            if (th_end_row(out)) return TH_FAILED;
        }
    }
    return TH_OK;
}

static void list_ints(th_json *j, const char *key, const int64_t *v, int64_t n) {
    th_json_key(j, key); th_json_array(j);
    for (int64_t i = 0; i < n; i++) th_json_int(j, v[i]);
    th_json_end(j);
}

static void list_floats(th_json *j, const char *key, const double *v, int64_t n) {
    th_json_key(j, key); th_json_array(j);
    for (int64_t i = 0; i < n; i++) th_json_float(j, v[i]);
    th_json_end(j);
}

static int64_t five(int64_t n) { return n < 5 ? n : 5; }

static int kernels(th_call *c, const th_table *data, th_json *j) {
    th_vector x, y;
    if (th_vector_of(data, "i", &x) || th_vector_of(data, "f", &y)) return TH_FAILED;
    size_t bytes = (size_t)data->rows * 8;
    int64_t exact, n, *ints = th_alloc(bytes), counts[10];
    double sum, limits[2], dot, *floats = th_alloc(bytes), sums[10];
    uint32_t *rows = th_alloc(bytes);
    th_fit fit;
    if (th_sum_ints(&x, &exact) == TH_OVERFLOW) return th_fail(c, "an integer overflows");
    th_sum(&y, &sum);
    th_minmax(&y, &limits[0], &limits[1]);
    th_dot(&x, &y, &dot);
    n = th_linreg(&x, &y, &fit);
    th_set_int(j, "sum_ints", exact);
    th_set_float(j, "sum", sum);
    list_floats(j, "minmax", limits, 2);
    th_set_float(j, "dot", dot);
    list_floats(j, "fit", (const double[]){fit.slope, fit.intercept, fit.correlation, (double)n}, 4);
    th_histogram(&y, -10, 10, 5, counts);
    list_ints(j, "histogram", counts, 5);
    list_floats(j, "sorted", floats, five(th_sort_floats(&y, floats)));
    n = five(th_argsort(&y, rows));
    for (int64_t i = 0; i < n; i++) ints[i] = rows[i];
    list_ints(j, "argsorted", ints, n);
    if (th_cumsum_ints(&x, ints) == TH_OVERFLOW) return th_fail(c, "an integer overflows");
    list_ints(j, "cumsum", ints + data->rows - five(data->rows), five(data->rows));
    if (th_group(&x, 0, &y, 10, counts, sums) == TH_RANGE) return th_fail(c, "a key has no group");
    list_ints(j, "counts", counts, 10);
    list_floats(j, "sums", sums, 10);
    th_vector own = th_with_nulls(th_of_floats((const double[]){1, 2, 4}, 3), (const uint8_t[]){5});
    th_sum(&own, &sum);
    th_set_float(j, "own", sum);
    return TH_OK;
}

static int all(th_call *c, const void *params) {
    static const uint64_t below[] = {(uint64_t)1 << 63, 3, 1000, ((uint64_t)1 << 63) + 1};
    const th_table *data = th_input(c, "data");
    th_json j = {0};
    if (!data) return TH_FAILED;
    th_json_object(&j);
    echo(&j, params);
    th_set_bool(&j, "more", th_has_input(c, "more"));
    if (read_whole(data, &j) || copy_batches(c, data) || kernels(c, data, &j)) return TH_FAILED;
    th_random random = th_random_of(c);
    th_json_key(&j, "random"); th_json_array(&j);
    for (int i = 0; i < 4; i++) th_json_int(&j, (int64_t)(th_random_below(&random, below[i]) % 1000));
    th_json_end(&j);
    th_json_end(&j);
    th_artifact(c, "hello.txt", "text/plain", "hello\n", 6);
    th_result(c, &j);
    return TH_OK;
}

static const th_routine routines[] = {{
    .name = "all", .title = "All", .run = all, TH_PARAMS(all_params),
    .inputs = {
        {.name = "data", .min_rows = 1, .columns = {{"i", "int64"}, {"f", "number"}, {"b", "bool"}, {"s", NULL}}},
        {.name = "more", .optional = true},
    },
    .outputs = {{.name = "copy"}},
}};

THRESHER_PLUGIN(routines, .name = "exercise", .version = "1.0.0", .summary = "Uses the SDK")
