/* thresher_native.h runs a plugin's routines in its own tests: as C, on the machine that
 * tests, with tables made of text. A test is a program that includes this header and
 * then the plugin:
 *
 *     #include "thresher_native.h"
 *     #include "main.c"
 *
 *     int main(void) {
 *         th_test t = th_test_of("greet");
 *         th_test_csv(&t, "data", "name,age\nAnn,31\nBob,\n");
 *         th_test_run(&t, "{\"times\": 2}");
 *         TH_EXPECT(t.result, "{\"greeted\":4}");
 *         return th_test_end();
 *     }
 *
 *     cc -g -fsanitize=address,undefined -o tests test.c -lm && ./tests
 *
 * Params get their defaults. That they keep their limits, pausing and the sandbox's own
 * limits are not tested; sums and variances may differ from the host's in their last
 * digits.
 */
#ifndef THRESHER_NATIVE_H
#define THRESHER_NATIVE_H

#define THRESHER_NATIVE
#include "thresher.h"

/* What a job allocates lives as long as it does: under -fsanitize=address that is no leak. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "detect_leaks=0"; }

typedef struct { const char *name; char *content; } th__file; /* an output table as CSV, or an artifact */

typedef struct {
    char *name, *type;
    int64_t rows, *ints;
    double *floats;
    th_text *texts;
    bool *valid, *bools;
    int64_t spans[6]; /* of its parts in the file: offset and bytes each */
} th__test_column;

typedef struct {
    const char *name;
    th__test_column *columns;
    size_t count;
    int64_t rows;
    th__bytes file;
} th__test_input;

/* A run of a routine, and what it left: NULL and 0 what there is not. */
typedef struct {
    int status;          /* TH_OK or TH_FAILED */
    const char *failure; /* why it failed */
    const char *result, *log, *message; /* message: of the last progress */
    double progress;
    uint64_t seed;

    const char *routine;
    char *info;
    th__test_input inputs[8];
    size_t input_count;
    th__file tables[16], artifacts[64];
    size_t table_count, artifact_count;
} th_test;

static th_test *th__now;    /* the one that runs */
static int th__unexpected;  /* expectations that were not met */

TH__API char *th__copy(const void *text, size_t n) {
    char *out = th_alloc(n + 1);
    if (n) memcpy(out, text, n);
    return out;
}

TH__API th_test th_test_of(const char *routine) { return (th_test){.routine = routine}; }

/* ---- expectations ---- */

#define TH_EXPECT(got, want) th__expect(__FILE__, __LINE__, #got, got, want)
#define TH_CHECK(true_thing) do { if (!(true_thing)) { printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #true_thing); th__unexpected++; } } while (0)

TH__API void th__expect(const char *file, int line, const char *what, const char *got, const char *want) {
    if (got && !strcmp(got, want)) return;
    printf("%s:%d: %s is\n  %s\nwant\n  %s\n", file, line, what, got ? got : "(nothing)", want);
    th__unexpected++;
}

/* What main returns. */
TH__API int th_test_end(void) {
    printf(th__unexpected ? "FAILED\n" : "ok\n");
    return th__unexpected != 0;
}

TH__API const char *th__content(const th__file *files, size_t count, const char *name) {
    for (size_t i = 0; i < count; i++) if (!strcmp(files[i].name, name)) return files[i].content;
    return NULL;
}

/* An output table as CSV with a header, or an artifact. */
TH__API const char *th_test_table(const th_test *t, const char *name) { return th__content(t->tables, t->table_count, name); }
TH__API const char *th_test_artifact(const th_test *t, const char *name) { return th__content(t->artifacts, t->artifact_count, name); }

/* ---- inputs ---- */

/* The field of CSV at *p, which moves behind it. */
TH__API th_text th__csv_field(const char **p) {
    th__bytes out = {0};
    if (**p == '"') {
        for ((*p)++; **p && (**p != '"' || (*p)[1] == '"'); (*p)++) {
            if (**p == '"') (*p)++;
            th__put(&out, *p, 1);
        }
        if (**p) (*p)++;
    } else while (**p && **p != ',' && **p != '\n') th__put(&out, (*p)++, 1);
    size_t n = out.length;
    th__put(&out, "", 1);
    return (th_text){out.bytes, n};
}

/* Gives a column the narrowest type that all of its values have. */
TH__API void th__infer(th__test_column *c) {
    bool ints = true, floats = true, bools = true, any = false;
    for (int64_t i = 0; i < c->rows; i++) {
        const char *text = c->texts[i].bytes;
        char *end;
        c->valid[i] = c->texts[i].length > 0;
        if (!c->valid[i]) continue;
        any = true;
        c->ints[i] = strtoll(text, &end, 10);
        if (*end) ints = false;
        c->floats[i] = strtod(text, &end);
        if (*end) floats = false;
        c->bools[i] = !strcmp(text, "true");
        if (!c->bools[i] && strcmp(text, "false")) bools = false;
    }
    c->type = !any ? "string" : ints ? "int64" : floats ? "float64" : bools ? "bool" : "string";
}

TH__API void th__span(th__test_input *in, int64_t span[2], const void *bytes, size_t n) {
    while (in->file.length % 8) th__put(&in->file, "", 1);
    span[0] = (int64_t)in->file.length, span[1] = (int64_t)n;
    th__put(&in->file, bytes, n);
}

/* Lays a column out as the host's files are. */
TH__API void th__lay_out(th__test_input *in, th__test_column *c) {
    size_t rows = (size_t)c->rows, bits = (rows + 7) / 8;
    uint8_t *valid = th_alloc(bits), *flags = th_alloc(bits);
    int32_t *offsets = th_alloc((rows + 1) * 4);
    th__bytes text = {0};
    bool nulls = false;
    for (size_t i = 0; i < rows; i++) {
        if (c->valid[i]) valid[i / 8] |= (uint8_t)(1 << i % 8);
        else nulls = true;
        if (c->bools[i] && c->valid[i]) flags[i / 8] |= (uint8_t)(1 << i % 8);
        th__put(&text, c->texts[i].bytes, c->texts[i].length);
        offsets[i + 1] = (int32_t)text.length;
    }
    if (nulls) th__span(in, c->spans, valid, bits);
    switch (*c->type) {
    case 'i': th__span(in, c->spans + 2, c->ints, rows * 8); break;
    case 'f': th__span(in, c->spans + 2, c->floats, rows * 8); break;
    case 'b': th__span(in, c->spans + 2, flags, bits); break;
    default: th__span(in, c->spans + 2, text.bytes, text.length); th__span(in, c->spans + 4, offsets, (rows + 1) * 4);
    }
}

/* Gives the routine a table of CSV with a header. An empty field is null. */
TH__API void th_test_csv(th_test *t, const char *name, const char *csv) {
    th__test_input *in = &t->inputs[t->input_count++];
    size_t lines = 0;
    for (const char *p = csv; *p; p++) lines += *p == '\n';
    *in = (th__test_input){.name = name, .columns = th_alloc(64 * sizeof *in->columns)};
    for (;; csv++) {
        th__test_column *c = &in->columns[in->count++];
        c->name = (char *)th__csv_field(&csv).bytes;
        c->texts = th_alloc(lines * sizeof *c->texts), c->ints = th_alloc(lines * 8), c->floats = th_alloc(lines * 8);
        c->valid = th_alloc(lines), c->bools = th_alloc(lines);
        if (*csv != ',') break;
    }
    while (*csv == '\n' && csv[1]) {
        for (size_t i = 0; i < in->count; i++) {
            csv++;
            in->columns[i].texts[in->columns[i].rows++] = th__csv_field(&csv);
        }
        in->rows++;
    }
    for (size_t i = 0; i < in->count; i++) {
        th__infer(&in->columns[i]);
        th__lay_out(in, &in->columns[i]);
    }
}

/* ---- running ---- */

TH__API void th__describe_call(th_test *t, const char *params) {
    th_json j = {0};
    char seed[24];
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)t->seed);
    th_json_object(&j);
    th_set_raw(&j, "params", params);
    th_set_raw(&j, "seed", seed);
    th_json_key(&j, "inputs");
    th_json_array(&j);
    for (size_t i = 0; i < t->input_count; i++) {
        th_json_object(&j);
        th_set_text(&j, "name", t->inputs[i].name);
        th_set_int(&j, "rows", t->inputs[i].rows);
        th_set_int(&j, "bytes", (int64_t)t->inputs[i].file.length);
        th_set_int(&j, "batches", t->inputs[i].rows > 0);
        th_json_key(&j, "columns");
        th_json_array(&j);
        for (size_t k = 0; k < t->inputs[i].count; k++) {
            th_json_object(&j);
            th_set_text(&j, "name", t->inputs[i].columns[k].name);
            th_set_text(&j, "type", t->inputs[i].columns[k].type);
            th_json_end(&j);
        }
        th_json_end(&j);
        th_json_end(&j);
    }
    th_json_end(&j);
    th_json_end(&j);
    t->info = th__copy(j.text.bytes, j.text.length);
}

TH__API int th__perform(th_test *t, const th_plugin *p) {
    int32_t number = 0;
    th_call *c = th_alloc(sizeof *c);
    while ((size_t)number < p->count && strcmp(p->routines[number].name, t->routine)) number++;
    if ((size_t)number < p->count && p->routines[number].run) return th__run(c, p, number);
    int status = th__init(c, p, number);
    while (status == TH_OK) status = th__step(c, 1);
    return status == TH_DONE ? TH_OK : status;
}

/* Runs the routine to its end, a simulation step by step. */
#define th_test_run(test, params) (th__describe_call(test, params), th__now = (test), (test)->status = th__perform(test, &th__plugin))

/* Runs the examples that the plugin declares: those with a result must give it, to the
 * letter but for spaces; a server allows numbers their tolerance. */
TH__API void th__examples(const th_plugin *p) {
    for (size_t i = 0; i < p->count; i++)
        for (const th_example *x = p->routines[i].examples; x < p->routines[i].examples + 8 && x->name; x++) {
            th_test *t = th_alloc(sizeof *t);
            th__bytes want = {0};
            *t = th_test_of(p->routines[i].name);
            t->seed = x->seed;
            for (size_t k = 0; k < 4 && x->inputs[k].name; k++) th_test_csv(t, x->inputs[k].name, x->inputs[k].csv);
            th__describe_call(t, x->params ? x->params : "{}");
            th__now = t;
            t->status = th__perform(t, p);
            bool quoted = false;
            for (const char *c = x->result; c && *c; c++) {
                quoted ^= *c == '"' && c[-1] != '\\';
                if (quoted || !strchr(" \n\t", *c)) th__put(&want, c, 1);
            }
            th__put(&want, "", 1);
            if (x->result) th__expect(x->name, 0, p->routines[i].name, t->result, want.bytes);
            else if (t->status == TH_OK) th__expect(x->name, 0, p->routines[i].name, "no failure", x->error);
        }
}

#define th_test_examples() th__examples(&th__plugin)

/* ---- the host ---- */

uint32_t th__call_info(void *buffer, uint32_t room) {
    uint32_t n = (uint32_t)strlen(th__now->info);
    if (room >= n) memcpy(buffer, th__now->info, n);
    return n;
}

int64_t th__column_read(int32_t input, int32_t column, int64_t from, int64_t rows, int32_t part, void *buffer, uint32_t room) {
    th__test_input *in = &th__now->inputs[input];
    const int64_t *span = in->columns[column].spans + 2 * part;
    if (from != 0 || rows != in->rows) abort(); /* the header reads whole columns */
    if (!span[1] && part == 0) {
        if (room) memset(buffer, 0xff, room);
    } else if (room >= span[1] && span[1]) memcpy(buffer, in->file.bytes + span[0], (size_t)span[1]);
    return span[1];
}

int64_t th__input_layout(int32_t input, int32_t batch, void *buffer, uint32_t room) {
    th__test_input *in = &th__now->inputs[input];
    int64_t *out = buffer;
    if (batch != 0 || room < 8 + 48 * in->count) abort();
    *out = in->rows;
    for (size_t i = 0; i < in->count; i++) memcpy(out + 1 + 6 * i, in->columns[i].spans, sizeof in->columns[i].spans);
    return (int64_t)(8 + 48 * in->count);
}

const uint8_t *th__input_map(int32_t input, int64_t offset, int64_t bytes, void *buffer, uint32_t room) {
    if (room < bytes + TH__MAP_ROOM) abort();
    memcpy(buffer, th__now->inputs[input].file.bytes + offset, (size_t)bytes);
    return buffer;
}

void th__result_write(const void *text, uint32_t n) { th__now->result = th__copy(text, n); }

TH__API th__file *th__kept(th__file *files, size_t *count, const void *name, uint32_t n) {
    for (size_t i = 0; i < *count; i++) if (strlen(files[i].name) == n && !memcmp(files[i].name, name, n)) return &files[i];
    files[*count] = (th__file){th__copy(name, n), NULL};
    return &files[(*count)++];
}

/* A value of a column of an output table as CSV. */
TH__API void th__csv_value(th__bytes *out, char kind, const th__buffers *b, int64_t row) {
    char text[64] = "";
    if (!th_valid(b->validity_bytes ? b->validity : NULL, row)) return;
    if (kind == 'i') snprintf(text, sizeof text, "%lld", (long long)((const int64_t *)b->values)[row]);
    if (kind == 'f') th__format(((const double *)b->values)[row], text);
    if (kind == 'b') strcpy(text, th_bit(b->values, row) ? "true" : "false");
    th__put(out, text, strlen(text));
    const int32_t *offsets = b->offsets;
    if (kind == 's') th__put(out, (const char *)b->values + offsets[row], (size_t)(offsets[row + 1] - offsets[row]));
}

void th__table_append(const void *name, uint32_t name_bytes, const void *columns, uint32_t columns_bytes, int64_t rows, const th__buffers *buffers) {
    th__file *f = th__kept(th__now->tables, &th__now->table_count, name, name_bytes);
    char *schema = th__copy(columns, columns_bytes), kinds[256];
    th__bytes out = {0};
    size_t count = 0;
    if (f->content) th__put(&out, f->content, strlen(f->content));
    for (const char *p = th__next(schema); p; p = th__next(th__skip(p))) {
        const char *column = th__string(th__find(p, "name"));
        kinds[count] = *th__string(th__find(p, "type"));
        if (!f->content && count) th__put(&out, ",", 1);
        if (!f->content) th__put(&out, column, strlen(column));
        count++;
    }
    if (!f->content) th__put(&out, "\n", 1);
    for (int64_t row = 0; row < rows; row++)
        for (size_t i = 0; i < count; i++) {
            th__csv_value(&out, kinds[i], &buffers[i], row);
            th__put(&out, i + 1 < count ? "," : "\n", 1);
        }
    f->content = th__copy(out.bytes, out.length);
}

void th__artifact_write(const void *name, uint32_t name_bytes, const void *media, uint32_t media_bytes, const void *content, uint32_t content_bytes) {
    (void)media, (void)media_bytes;
    th__kept(th__now->artifacts, &th__now->artifact_count, name, name_bytes)->content = th__copy(content, content_bytes);
}

void th__progress(double fraction, const void *text, uint32_t n) {
    th__now->progress = fraction;
    th__now->message = th__copy(text, n);
}

void th__log(const void *text, uint32_t n) {
    th__bytes out = {0};
    if (th__now->log) th__put(&out, th__now->log, strlen(th__now->log));
    th__put(&out, text, n);
    th__now->log = th__copy(out.bytes, out.length);
}

void th__fail(const void *text, uint32_t n) { th__now->failure = th__copy(text, n); }

/* ---- the kernels, as plainly as can be ---- */

/* The values of a vector that are not null, as floats and as integers, and their rows. */
typedef struct { int64_t n, all; double *floats; int64_t *ints; int64_t *rows; bool are_ints; } th__gathered;

TH__API th__gathered th__gather(const th__vector *v) {
    th__gathered g = {.all = (int64_t)v->rows, .floats = th_alloc(v->rows * 8), .ints = th_alloc(v->rows * 8), .rows = th_alloc(v->rows * 8)};
    const th__test_column *c = v->input >= 0 ? &th__now->inputs[v->input].columns[v->column] : NULL;
    g.are_ints = c ? *c->type == 'i' : v->column == 1;
    for (int64_t i = 0; i < g.all; i++) {
        int64_t at = c ? (int64_t)v->from + i : i;
        if (c ? !c->valid[at] : !th_valid((const uint8_t *)v->validity, i)) continue;
        g.ints[g.n] = g.are_ints ? (c ? c->ints : (const int64_t *)(uintptr_t)v->from)[at] : 0;
        g.floats[g.n] = g.are_ints ? (double)g.ints[g.n] : (c ? c->floats : (const double *)(uintptr_t)v->from)[at];
        g.rows[g.n++] = i;
    }
    return g;
}

int64_t th__vector_floats(const th__vector *v, double *out) {
    th__gathered g = th__gather(v);
    for (int64_t i = 0; i < g.all; i++) out[i] = 0;
    for (int64_t i = 0; i < g.n; i++) out[g.rows[i]] = g.floats[i];
    return g.n;
}

int64_t th__vector_sum(const th__vector *v, void *out) {
    th__gathered g = th__gather(v);
    long double sum = 0;
    int64_t exact = 0;
    for (int64_t i = 0; i < g.n; i++) {
        sum += g.floats[i];
        if (g.are_ints && __builtin_add_overflow(exact, g.ints[i], &exact)) return TH_OVERFLOW;
    }
    if (g.are_ints) *(int64_t *)out = exact;
    else *(double *)out = (double)sum;
    return g.n;
}

int64_t th__vector_variance(const th__vector *v, int32_t ddof, double *out) {
    th__gathered g = th__gather(v);
    long double sum = 0, squares = 0;
    for (int64_t i = 0; i < g.n; i++) sum += g.floats[i];
    for (int64_t i = 0; i < g.n; i++) squares += (g.floats[i] - sum / g.n) * (g.floats[i] - sum / g.n);
    out[0] = g.n ? (double)(sum / g.n) : NAN;
    out[1] = g.n > ddof ? (double)(squares / (g.n - ddof)) : NAN;
    return g.n;
}

TH__API int th__order(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    if (isnan(x) || isnan(y)) return isnan(x) - isnan(y);
    return x == y ? !!signbit(y) - !!signbit(x) : x < y ? -1 : 1;
}

TH__API int th__order_ints(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

TH__API th__gathered th__sorted(const th__vector *v) {
    th__gathered g = th__gather(v);
    qsort(g.floats, (size_t)g.n, 8, th__order);
    qsort(g.ints, (size_t)g.n, 8, th__order_ints);
    return g;
}

int64_t th__vector_minmax(const th__vector *v, void *out) {
    th__gathered g = th__sorted(v);
    double *floats = out;
    int64_t *ints = out;
    bool none = !g.n || isnan(g.floats[g.n - 1]);
    for (int i = 0; i < 2; i++) {
        int64_t at = i ? g.n - 1 : 0;
        if (g.are_ints) ints[i] = g.n ? g.ints[at] : 0;
        else floats[i] = none ? NAN : g.floats[at];
    }
    return g.n;
}

/* Rows in which neither of two vectors is null. */
TH__API int64_t th__pairs(const th__vector *v, const th__vector *w, double **x, double **y) {
    th__gathered a = th__gather(v), b = th__gather(w);
    int64_t n = 0, k = 0;
    for (int64_t i = 0; i < a.n; i++) {
        while (k < b.n && b.rows[k] < a.rows[i]) k++;
        if (k == b.n || b.rows[k] != a.rows[i]) continue;
        a.floats[n] = a.floats[i], b.floats[n++] = b.floats[k];
    }
    *x = a.floats, *y = b.floats;
    return n;
}

int64_t th__vector_dot(const th__vector *v, const th__vector *w, double *out) {
    double *x, *y;
    int64_t n = th__pairs(v, w, &x, &y);
    long double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (long double)x[i] * y[i];
    *out = (double)sum;
    return n;
}

int64_t th__vector_linreg(const th__vector *v, const th__vector *w, double *out) {
    double *x, *y;
    int64_t n = th__pairs(v, w, &x, &y);
    long double mx = 0, my = 0, xx = 0, xy = 0, yy = 0;
    for (int64_t i = 0; i < n; i++) mx += x[i], my += y[i];
    if (n) mx /= n, my /= n;
    for (int64_t i = 0; i < n; i++) xx += (x[i] - mx) * (x[i] - mx), xy += (x[i] - mx) * (y[i] - my), yy += (y[i] - my) * (y[i] - my);
    out[0] = n < 2 ? 0 : (double)(xy / xx);
    out[1] = n < 2 ? (n ? (double)my : NAN) : (double)(my - xy / xx * mx);
    out[2] = n < 2 ? NAN : (double)(xy / sqrtl(xx * yy));
    return n;
}

int64_t th__vector_histogram(const th__vector *v, double low, double high, int32_t bins, int64_t *counts) {
    th__gathered g = th__gather(v);
    int64_t n = 0;
    if (!isfinite(low) || !isfinite(high) || !(low < high) || bins < 1) return TH_RANGE;
    memset(counts, 0, (size_t)bins * 8);
    for (int64_t i = 0; i < g.n; i++) {
        if (!(g.floats[i] >= low && g.floats[i] <= high)) continue;
        int32_t bin = (int32_t)((g.floats[i] / 2 - low / 2) / (high / 2 - low / 2) * bins);
        counts[bin < bins ? bin : bins - 1]++;
        n++;
    }
    return n;
}

int64_t th__vector_sort(const th__vector *v, void *out) {
    th__gathered g = th__sorted(v);
    memcpy(out, g.are_ints ? (void *)g.ints : (void *)g.floats, (size_t)g.n * 8);
    return g.n;
}

int64_t th__vector_argsort(const th__vector *v, uint32_t *rows, void *room) {
    th__gathered g = th__gather(v);
    (void)room;
    for (int64_t i = 0; i < g.n; i++) { /* by insertion: equal ones stay in order */
        int64_t at = i;
        for (; at > 0; at--) {
            int64_t a = (int64_t)rows[at - 1];
            if ((g.are_ints ? th__order_ints(&g.ints[a], &g.ints[i]) : th__order(&g.floats[a], &g.floats[i])) <= 0) break;
            rows[at] = rows[at - 1];
        }
        rows[at] = (uint32_t)i;
    }
    for (int64_t i = 0; i < g.n; i++) rows[i] = (uint32_t)g.rows[rows[i]];
    return g.n;
}

int64_t th__vector_quantiles(const th__vector *v, int32_t count, const double *shares, double *out, double *room) {
    th__gathered g = th__sorted(v);
    (void)room;
    for (int32_t i = 0; i < count; i++) {
        if (!(shares[i] >= 0 && shares[i] <= 1)) return TH_RANGE;
        out[i] = NAN;
        if (!g.n || isnan(g.floats[g.n - 1])) continue;
        double at = shares[i] * (double)(g.n - 1), low = g.floats[(int64_t)at], rest = at - floor(at);
        out[i] = rest > 0 ? low * (1 - rest) + g.floats[(int64_t)at + 1] * rest : low;
    }
    return g.n;
}

int64_t th__vector_cumsum(const th__vector *v, void *out) {
    th__gathered g = th__gather(v);
    double sum = 0, *floats = out;
    int64_t exact = 0, *ints = out, k = 0;
    for (int64_t i = 0; i < g.all; i++) {
        if (k < g.n && g.rows[k] == i) {
            sum += g.floats[k];
            if (g.are_ints && __builtin_add_overflow(exact, g.ints[k], &exact)) return TH_OVERFLOW;
            k++;
        }
        if (g.are_ints) ints[i] = exact;
        else floats[i] = sum;
    }
    return g.all;
}

int64_t th__vector_group(const th__vector *keys, int64_t base, const th__vector *values, int32_t groups, int64_t *counts, double *sums, void *room) {
    th__gathered a = th__gather(keys), b = th__gather(values);
    int64_t n = 0, k = 0;
    (void)room;
    memset(counts, 0, (size_t)groups * 8);
    for (int32_t i = 0; i < groups; i++) sums[i] = 0;
    for (int64_t i = 0; i < a.n; i++) {
        while (k < b.n && b.rows[k] < a.rows[i]) k++;
        if (k == b.n || b.rows[k] != a.rows[i]) continue;
        if (a.ints[i] - base < 0 || a.ints[i] - base >= groups) return TH_RANGE;
        counts[a.ints[i] - base]++, n++;
        sums[a.ints[i] - base] += b.floats[k];
    }
    return n;
}

#endif
