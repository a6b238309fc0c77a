/* thresher.h is what a plugin in C is written with: all of the SDK, in one header.
 *
 * A plugin is one source file that includes this header, declares its routines once
 * and ends with THRESHER_PLUGIN. From the declaration come the code that the host
 * calls, the manifest, and the JSON Schema of the params. Build it with
 *
 *     clang-19 --target=wasm32-wasi -mexec-model=reactor -O2 -fuse-ld=lld -o plugin.wasm main.c
 *
 * and test it as ordinary C with thresher_native.h. docs/plugins/c.md is a tutorial,
 * docs/abi.md the contract below it.
 *
 * A function that can fail answers TH_OK or TH_FAILED, and has then said why with
 * th_fail: a routine passes TH_FAILED on. What the SDK allocates lives as long as the
 * job, whose memory is gone with it. Names that begin with th__ are not for plugins.
 */
#ifndef THRESHER_H
#define THRESHER_H

#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TH__API static __attribute__((unused))

/* What routines and steps answer. */
enum { TH_OK = 0, TH_DONE = 1, TH_FAILED = -1 };

/* What kernels answer instead of a number of values. */
enum { TH_OVERFLOW = -2, TH_RANGE = -3 };

/* ---- the host's functions: docs/abi.md has a table for each ---- */

/* A vector as the host reads it: 32 bytes in the sandbox. */
typedef struct {
    int32_t input, column;
    uint64_t from, rows;
    uintptr_t validity;
#ifndef THRESHER_NATIVE
    uint32_t reserved;
#endif
} th__vector;

/* The parts of a column of an output table: 24 bytes in the sandbox. */
typedef struct {
    const void *validity; uint32_t validity_bytes;
    const void *values; uint32_t values_bytes;
    const void *offsets; uint32_t offsets_bytes;
} th__buffers;

#ifdef THRESHER_NATIVE
#define TH__HOST(name) /* thresher_native.h has them */
#else
#define TH__HOST(name) __attribute__((import_module("thresher"), import_name(#name)))
_Static_assert(sizeof(th__vector) == 32 && sizeof(th__buffers) == 24, "build for wasm32, or define THRESHER_NATIVE");
#endif

TH__HOST(call_info) uint32_t th__call_info(void *buffer, uint32_t room);
TH__HOST(column_read) int64_t th__column_read(int32_t input, int32_t column, int64_t from, int64_t rows, int32_t part, void *buffer, uint32_t room);
TH__HOST(input_layout) int64_t th__input_layout(int32_t input, int32_t batch, void *buffer, uint32_t room);
TH__HOST(input_map) const uint8_t *th__input_map(int32_t input, int64_t offset, int64_t bytes, void *buffer, uint32_t room);
TH__HOST(result_write) void th__result_write(const void *text, uint32_t n);
TH__HOST(table_append) void th__table_append(const void *name, uint32_t name_bytes, const void *columns, uint32_t columns_bytes, int64_t rows, const th__buffers *buffers);
TH__HOST(artifact_write) void th__artifact_write(const void *name, uint32_t name_bytes, const void *media, uint32_t media_bytes, const void *content, uint32_t content_bytes);
TH__HOST(progress) void th__progress(double fraction, const void *text, uint32_t n);
TH__HOST(log) void th__log(const void *text, uint32_t n);
TH__HOST(fail) void th__fail(const void *text, uint32_t n);
TH__HOST(vector_floats) int64_t th__vector_floats(const th__vector *v, double *out);
TH__HOST(vector_sum) int64_t th__vector_sum(const th__vector *v, void *out);
TH__HOST(vector_variance) int64_t th__vector_variance(const th__vector *v, int32_t ddof, double *out);
TH__HOST(vector_minmax) int64_t th__vector_minmax(const th__vector *v, void *out);
TH__HOST(vector_dot) int64_t th__vector_dot(const th__vector *x, const th__vector *y, double *out);
TH__HOST(vector_linreg) int64_t th__vector_linreg(const th__vector *x, const th__vector *y, double *out);
TH__HOST(vector_histogram) int64_t th__vector_histogram(const th__vector *v, double low, double high, int32_t bins, int64_t *counts);
TH__HOST(vector_sort) int64_t th__vector_sort(const th__vector *v, void *out);
TH__HOST(vector_argsort) int64_t th__vector_argsort(const th__vector *v, uint32_t *rows, void *room);
TH__HOST(vector_quantiles) int64_t th__vector_quantiles(const th__vector *v, int32_t count, const double *shares, double *out, double *room);
TH__HOST(vector_cumsum) int64_t th__vector_cumsum(const th__vector *v, void *out);
TH__HOST(vector_group) int64_t th__vector_group(const th__vector *keys, int64_t base, const th__vector *values, int32_t groups, int64_t *counts, double *sums, void *room);

/* ---- memory and text ---- */

/* Memory that lives as long as the job, zeroed. Where there is none left the job
 * ends with memory_limit. */
TH__API void *th_alloc(size_t bytes) {
    void *p = calloc(1, bytes ? bytes : 1);
    if (!p) __builtin_trap();
    return p;
}

TH__API void *th__grow(void *p, size_t bytes) {
    if (!(p = realloc(p, bytes ? bytes : 1))) __builtin_trap();
    return p;
}

/* Some bytes of text, which do not end with a NUL. */
typedef struct { const char *bytes; size_t length; } th_text;

TH__API bool th_text_is(th_text t, const char *other) {
    return t.length == strlen(other) && !memcmp(t.bytes, other, t.length);
}

/* Bytes that grow. */
typedef struct { char *bytes; size_t length, room; } th__bytes;

TH__API void th__put(th__bytes *b, const void *bytes, size_t n) {
    if (b->length + n > b->room) b->bytes = th__grow(b->bytes, b->room = 2 * b->room + n + 64);
    if (n) memcpy(b->bytes + b->length, bytes, n);
    b->length += n;
}

/* ---- writing JSON ---- */

/* A writer of JSON. The zero value is an empty one; commas come by themselves. What
 * has no number in JSON (NaN, infinities) is null. Numbers and text are written as
 * the Go SDK writes them, byte for byte. */
typedef struct {
    th__bytes text;
    int depth;
    char open[64];
} th_json;

TH__API void th__separate(th_json *j) {
    char last = j->text.length ? j->text.bytes[j->text.length - 1] : '[';
    if (last != '[' && last != '{' && last != ':') th__put(&j->text, ",", 1);
}

/* Text that is JSON already. */
TH__API void th_json_raw(th_json *j, const char *json) {
    th__separate(j);
    th__put(&j->text, json, strlen(json));
}

TH__API void th__open(th_json *j, const char *bracket, char close) {
    if (j->depth == sizeof j->open) __builtin_trap();
    th_json_raw(j, bracket);
    j->open[j->depth++] = close;
}

TH__API void th_json_object(th_json *j) { th__open(j, "{", '}'); }
TH__API void th_json_array(th_json *j) { th__open(j, "[", ']'); }

/* Ends the innermost object or array. */
TH__API void th_json_end(th_json *j) {
    if (!j->depth) __builtin_trap();
    th__put(&j->text, &j->open[--j->depth], 1);
}

/* How many bytes at p are a letter of UTF-8; 0: they are none. */
TH__API size_t th__letter(const uint8_t *p, size_t n) {
    if (p[0] < 0x80) return 1;
    size_t want = p[0] >= 0xc2 && p[0] < 0xe0 ? 2 : p[0] >= 0xe0 && p[0] < 0xf0 ? 3 : p[0] >= 0xf0 && p[0] < 0xf5 ? 4 : 0;
    if (!want || want > n) return 0;
    for (size_t i = 1; i < want; i++) if ((p[i] & 0xc0) != 0x80) return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f)) return 0;
    if ((p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f)) return 0;
    return want;
}

TH__API void th__quote(th__bytes *out, const char *text, size_t n) {
    static const char special[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    th__put(out, "\"", 1);
    for (size_t i = 0, size; i < n; i += size) {
        const uint8_t *p = (const uint8_t *)text + i;
        const char *found = *p ? strchr(special, *p) : NULL;
        char escaped[8];
        size = th__letter(p, n - i);
        if (!size) { size = 1; th__put(out, "\\ufffd", 6); continue; }
        if (found) snprintf(escaped, sizeof escaped, "\\%c", letters[found - special]);
        else if (*p < 0x20 || *p == '<' || *p == '>' || *p == '&') snprintf(escaped, sizeof escaped, "\\u%04x", *p);
        else if (size == 3 && p[0] == 0xe2 && p[1] == 0x80 && (p[2] | 1) == 0xa9) snprintf(escaped, sizeof escaped, "\\u20%02x", p[2] & 0x3f);
        else { th__put(out, p, size); continue; }
        th__put(out, escaped, strlen(escaped));
    }
    th__put(out, "\"", 1);
}

TH__API void th_json_bytes(th_json *j, th_text t) {
    th__separate(j);
    th__quote(&j->text, t.bytes, t.length);
}

TH__API void th_json_text(th_json *j, const char *text) { th_json_bytes(j, (th_text){text, strlen(text)}); }

/* The name of the value that is written next. */
TH__API void th_json_key(th_json *j, const char *name) {
    th_json_text(j, name);
    th__put(&j->text, ":", 1);
}

TH__API void th_json_null(th_json *j) { th_json_raw(j, "null"); }
TH__API void th_json_bool(th_json *j, bool v) { th_json_raw(j, v ? "true" : "false"); }

TH__API void th_json_int(th_json *j, int64_t v) {
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)v);
    th_json_raw(j, text);
}

/* The fewest digits that read back as v, which is positive and finite: to digits,
 * and the power of ten of the first. Up to 15 digits the first that are tried are
 * right, but for the smallest numbers, which have fewer. Below a power of two
 * numbers lie closer than above, so the nearest digits may miss it where the next
 * above them do not. */
TH__API int th__shortest(double v, char digits[20]) {
    int exponent = 0;
    bool power = frexp(v, &exponent) == 0.5;
    for (int n = v < 2.3e-308 || power ? 1 : 15; n <= 17; n++) {
        char text[40];
        snprintf(text, sizeof text, "%.*e", n - 1, v);
        bool fits = strtod(text, NULL) == v;
        for (int i = n == 1 ? 0 : n; power && !fits && i >= 0; i--) { /* one more in the last place */
            if (text[i] == '.') continue;
            if (text[i] == '9') { text[i] = '0'; continue; }
            text[i]++;
            fits = strtod(text, NULL) == v;
            break;
        }
        if (!fits) continue;
        char *e = strchr(text, 'e'), *d = digits;
        for (char *p = text; p < e; p++) if (*p != '.') *d++ = *p;
        while (d > digits + 1 && d[-1] == '0') d--;
        *d = 0;
        return atoi(e + 1);
    }
    __builtin_trap(); /* 17 digits tell any two numbers apart */
}

/* Writes v as JSON: to at most 32 bytes. */
TH__API void th__format(double v, char out[64]) {
    if (isnan(v) || isinf(v)) { strcpy(out, "null"); return; }
    if (signbit(v)) { *out++ = '-'; v = -v; }
    if (v < 9007199254740992 && v == (double)(int64_t)v) { snprintf(out, 24, "%lld", (long long)v); return; }
    char digits[20];
    int e = th__shortest(v, digits), n = (int)strlen(digits);
    if (v < 1e-6 || v >= 1e21) snprintf(out, 63, "%c%s%se%c%d", digits[0], n > 1 ? "." : "", digits + 1, e < 0 ? '-' : '+', abs(e));
    else if (e < 0) snprintf(out, 63, "0.%.*s%s", -e - 1, "0000000", digits);
    else if (n > e + 1) snprintf(out, 63, "%.*s.%s", e + 1, digits, digits + e + 1);
    else snprintf(out, 63, "%s%.*s", digits, e + 1 - n, "000000000000000000000");
}

TH__API void th_json_float(th_json *j, double v) {
    char text[64];
    th__format(v, text);
    th_json_raw(j, text);
}

/* A key and its value. */
TH__API void th_set_int(th_json *j, const char *key, int64_t v) { th_json_key(j, key); th_json_int(j, v); }
TH__API void th_set_float(th_json *j, const char *key, double v) { th_json_key(j, key); th_json_float(j, v); }
TH__API void th_set_text(th_json *j, const char *key, const char *v) { th_json_key(j, key); th_json_text(j, v); }
TH__API void th_set_bool(th_json *j, const char *key, bool v) { th_json_key(j, key); th_json_bool(j, v); }
TH__API void th_set_raw(th_json *j, const char *key, const char *json) { th_json_key(j, key); th_json_raw(j, json); }

/* ---- reading JSON: what the host sends is valid, so nothing is checked ---- */

TH__API const char *th__space(const char *p) {
    while (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t') p++;
    return p;
}

/* The end of the value at p. */
TH__API const char *th__skip(const char *p) {
    int depth = 0;
    do {
        p = th__space(p);
        if (*p == '"') {
            for (p++; *p != '"'; p++) if (*p == '\\') p++;
            p++;
        } else if (*p == '{' || *p == '[') { depth++; p++; }
        else if (*p == '}' || *p == ']') { depth--; p++; }
        else if (*p == ',' || *p == ':') p++;
        else while (*p && !strchr(",:]} \n\r\t", *p)) p++;
    } while (depth > 0);
    return p;
}

/* The first value of an array or key of an object that begins at p, or the one
 * after the value that ends at p; NULL: there is none. */
TH__API const char *th__next(const char *p) {
    p = th__space(p);
    if (*p == '[' || *p == '{' || *p == ',' || *p == ':') p = th__space(p + 1);
    return *p == ']' || *p == '}' ? NULL : p;
}

TH__API unsigned th__hex(const char *p) {
    char four[5] = {p[0], p[1], p[2], p[3], 0};
    return (unsigned)strtoul(four, NULL, 16);
}

/* The text at p, which a NUL ends. */
TH__API const char *th__string(const char *p) {
    th__bytes out = {0};
    for (p++; *p != '"'; p++) {
        if (*p != '\\') { th__put(&out, p, 1); continue; }
        const char *from = "\"\\/bfnrt", *to = "\"\\/\b\f\n\r\t", *at = strchr(from, *++p);
        if (at) { th__put(&out, to + (at - from), 1); continue; }
        unsigned c = th__hex(p + 1);
        p += 4;
        if (c >= 0xd800 && c < 0xdc00 && p[1] == '\\' && p[2] == 'u') {
            c = 0x10000 + ((c - 0xd800) << 10) + (th__hex(p + 3) - 0xdc00);
            p += 6;
        }
        char b[4];
        if (c < 0x80) { b[0] = (char)c; th__put(&out, b, 1); }
        else if (c < 0x800) { b[0] = (char)(0xc0 | c >> 6); b[1] = (char)(0x80 | (c & 63)); th__put(&out, b, 2); }
        else if (c < 0x10000) { b[0] = (char)(0xe0 | c >> 12); b[1] = (char)(0x80 | (c >> 6 & 63)); b[2] = (char)(0x80 | (c & 63)); th__put(&out, b, 3); }
        else { b[0] = (char)(0xf0 | c >> 18); b[1] = (char)(0x80 | (c >> 12 & 63)); b[2] = (char)(0x80 | (c >> 6 & 63)); b[3] = (char)(0x80 | (c & 63)); th__put(&out, b, 4); }
    }
    th__put(&out, "", 1);
    return out.bytes;
}

/* The value of a key of the object at p; NULL: it has none. */
TH__API const char *th__find(const char *p, const char *key) {
    for (p = th__next(p); p; p = th__next(th__skip(p))) {
        const char *name = th__string(p);
        p = th__next(th__skip(p));
        bool found = !strcmp(name, key);
        free((void *)name);
        if (found) return p;
    }
    return NULL;
}

/* ---- declaring params ---- */

typedef struct { const int64_t *items; size_t count; } th_integers;
typedef struct { const double *items; size_t count; } th_numbers;
typedef struct { const bool *items; size_t count; } th_booleans;
typedef struct { const char *const *items; size_t count; } th_texts;

enum { TH__INTEGER, TH__NUMBER, TH__BOOLEAN, TH__TEXT, TH__INTEGERS, TH__NUMBERS, TH__BOOLEANS, TH__TEXTS };

/* What kinds of params are in C. */
#define TH__TYPE_INTEGER int64_t
#define TH__TYPE_NUMBER double
#define TH__TYPE_BOOLEAN bool
#define TH__TYPE_TEXT const char *
#define TH__TYPE_INTEGERS th_integers
#define TH__TYPE_NUMBERS th_numbers
#define TH__TYPE_BOOLEANS th_booleans
#define TH__TYPE_TEXTS th_texts

/* A param. One without a value of its own and not optional must be given. */
typedef struct {
    const char *key;
    int kind;
    size_t offset;

    const char *standard;                /* the value it has where none is given: .standard = "10" */
    const char *minimum, *maximum, *above; /* above: an exclusive minimum */
    const char *choices;                 /* the values it may have, parted by commas */
    const char *unit, *title, *doc;
    bool optional;                       /* it may be left out: it is then 0, empty or false */
} th__field;

#define TH__MEMBER(kind, name, ...) TH__TYPE_##kind name;
#define TH__FIELD(kind_, name, ...) {.key = #name, .kind = TH__##kind_, .offset = offsetof(th__self, name), ##__VA_ARGS__},

/* THRESHER_PARAMS(type, LIST) makes a struct of a list of params, and their schema:
 *
 *     #define GREETING(P) \
 *         P(TEXT, name, .title = "Whom to greet") \
 *         P(INTEGER, times, .standard = "1", .minimum = "1", .unit = "times")
 *     THRESHER_PARAMS(greeting, GREETING)
 *
 * The kinds are INTEGER, NUMBER, BOOLEAN, TEXT, and lists: INTEGERS, NUMBERS,
 * BOOLEANS, TEXTS. */
#define THRESHER_PARAMS(type, LIST)                                         \
    typedef struct { LIST(TH__MEMBER) } type;                               \
    static const th__field *type##_fields(void) {                           \
        typedef type th__self;                                              \
        static const th__field fields[] = {LIST(TH__FIELD) {.key = NULL}};  \
        return fields;                                                      \
    }

/* TH_PARAMS(type) goes into a th_routine. */
#define TH_PARAMS(type) .fields = type##_fields, .params_size = sizeof(type)

/* ---- declaring routines ---- */

typedef struct th_call th_call;

/* A column that an input must have; the type may be "number", and NULL for any. */
typedef struct { const char *name, *type; } th_required;

typedef struct {
    const char *name, *title;
    bool optional;
    int64_t min_rows;
    th_required columns[16];
} th_in;

typedef struct { const char *name, *title; } th_out;

/* A call of the routine, and what must come of it: a result, or the code that it fails
 * with. A server runs it before it takes the plugin. */
typedef struct {
    const char *name, *params; /* params: JSON; default {} */
    uint64_t seed;
    struct { const char *name, *csv; } inputs[4];
    const char *result, *error; /* result: JSON, all of it; or else error, such as guest_error */
    double tolerance;           /* of each number of the result, relative; default 1e-9 */
} th_example;

/* A routine. An analysis has run; a simulation has start, step and result, and a
 * state of its own, which is zeroed before start. params points to the struct that
 * TH_PARAMS names. */
typedef struct {
    const char *name, *title, *summary;
    const th__field *(*fields)(void);
    size_t params_size;

    int (*run)(th_call *c, const void *params);

    size_t state_size;
    int (*start)(th_call *c, const void *params, void *state);
    int (*step)(th_call *c, void *state); /* TH_OK: more to come; TH_DONE: that was the last */
    int (*result)(th_call *c, void *state);

    th_in inputs[8];
    th_out outputs[8];
    th_example examples[8];
} th_routine;

typedef struct {
    const char *name, *version, *summary, *license;
    const th_routine *routines;
    size_t count;
} th_plugin;

/* ---- the manifest ---- */

/* A literal of a field's kind: text is quoted. */
TH__API void th__literal(th_json *j, const th__field *f, const char *text, size_t n) {
    if (f->kind == TH__TEXT) { th_json_bytes(j, (th_text){text, n}); return; }
    th__separate(j);
    th__put(&j->text, text, n);
}

/* What the schema says of values that the type in C cannot hold: an integer fits 64 bits,
 * and text ends at its first NUL. A bound of the field's own stands in place of the type's. */
TH__API void th__bounds(th_json *j, int kind, const th__field *own) {
    if (kind == TH__INTEGER && !(own && (own->minimum || own->above))) th_set_raw(j, "minimum", "-9223372036854775808");
    if (kind == TH__INTEGER && !(own && own->maximum)) th_set_raw(j, "maximum", "9223372036854775807");
    if (kind == TH__TEXT && !(own && own->choices)) th_set_raw(j, "pattern", "\"^[^\\u0000]*$\"");
}

TH__API void th__property(th_json *j, const th__field *f) {
    static const char *const types[] = {"integer", "number", "boolean", "string"};
    th_json_object(j);
    th_json_key(j, "type");
    th_json_text(j, f->kind >= TH__INTEGERS ? "array" : types[f->kind]);
    if (f->title) { th_set_text(j, "title", f->title); }
    if (f->doc) { th_set_text(j, "description", f->doc); }
    const char *const limits[][2] = {{"default", f->standard}, {"minimum", f->minimum}, {"maximum", f->maximum}, {"exclusiveMinimum", f->above}};
    for (size_t i = 0; i < 4; i++)
        if (limits[i][1]) { th_json_key(j, limits[i][0]); th__literal(j, f, limits[i][1], strlen(limits[i][1])); }
    th__bounds(j, f->kind, f);
    if (f->choices) {
        th_json_key(j, "enum");
        th_json_array(j);
        for (const char *p = f->choices;; p++) {
            size_t n = strcspn(p, ",");
            th__literal(j, f, p, n);
            if (!*(p += n)) break;
        }
        th_json_end(j);
    }
    if (f->unit) { th_set_text(j, "x-unit", f->unit); }
    if (f->kind >= TH__INTEGERS) {
        th_json_key(j, "items");
        th_json_object(j);
        th_json_key(j, "type");
        th_json_text(j, types[f->kind - TH__INTEGERS]);
        th__bounds(j, f->kind - TH__INTEGERS, NULL);
        th_json_end(j);
    }
    th_json_end(j);
}

TH__API void th__schema(th_json *j, const th__field *fields) {
    static const th__field none[] = {{.key = NULL}};
    if (!fields) fields = none;
    th_json_raw(j, "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"additionalProperties\":false");
    j->open[j->depth++] = '}';
    th_json_key(j, "properties");
    th_json_object(j);
    for (const th__field *f = fields; f->key; f++) { th_json_key(j, f->key); th__property(j, f); }
    th_json_end(j);
    th_json_key(j, "required");
    th_json_array(j);
    for (const th__field *f = fields; f->key; f++) if (!f->standard && !f->optional) th_json_text(j, f->key);
    th_json_end(j);
    th_json_raw(j, "\"type\":\"object\"");
    th_json_key(j, "x-order");
    th_json_array(j);
    for (const th__field *f = fields; f->key; f++) th_json_text(j, f->key);
    th_json_end(j);
    th_json_end(j);
}

TH__API void th__input_json(th_json *j, const th_in *in) {
    th_json_object(j);
    th_set_text(j, "name", in->name);
    if (in->title) { th_set_text(j, "title", in->title); }
    if (in->optional) th_json_raw(j, "\"optional\":true");
    if (in->columns[0].name) {
        th_json_key(j, "columns");
        th_json_array(j);
        for (size_t i = 0; i < 16 && in->columns[i].name; i++) {
            th_json_object(j);
            th_set_text(j, "name", in->columns[i].name);
            if (in->columns[i].type) { th_set_text(j, "type", in->columns[i].type); }
            th_json_end(j);
        }
        th_json_end(j);
    }
    if (in->min_rows) { th_set_int(j, "min_rows", in->min_rows); }
    th_json_end(j);
}

TH__API void th__example_json(th_json *j, const th_example *x) {
    th_json_object(j);
    th_set_text(j, "name", x->name);
    if (x->params) th_set_raw(j, "params", x->params);
    if (x->seed) {
        char seed[24];
        snprintf(seed, sizeof seed, "%llu", (unsigned long long)x->seed);
        th_set_raw(j, "seed", seed);
    }
    if (x->inputs[0].name) {
        th_json_key(j, "inputs");
        th_json_object(j);
        for (size_t i = 0; i < 4 && x->inputs[i].name; i++) th_set_text(j, x->inputs[i].name, x->inputs[i].csv);
        th_json_end(j);
    }
    if (x->result) th_set_raw(j, "result", x->result);
    if (x->error) th_set_text(j, "error", x->error);
    if (x->tolerance != 0) th_set_float(j, "tolerance", x->tolerance);
    th_json_end(j);
}

TH__API void th__routine_json(th_json *j, const th_routine *r) {
    th_json_object(j);
    th_set_text(j, "name", r->name);
    th_set_text(j, "kind", r->run ? "analysis" : "simulation");
    th_set_text(j, "title", r->title ? r->title : "");
    if (r->summary) { th_set_text(j, "summary", r->summary); }
    th_json_key(j, "params"); th__schema(j, r->fields ? r->fields() : NULL);
    if (r->inputs[0].name) {
        th_json_key(j, "inputs");
        th_json_array(j);
        for (size_t i = 0; i < 8 && r->inputs[i].name; i++) th__input_json(j, &r->inputs[i]);
        th_json_end(j);
    }
    if (r->outputs[0].name) {
        th_json_key(j, "outputs");
        th_json_array(j);
        for (size_t i = 0; i < 8 && r->outputs[i].name; i++) {
            th_json_object(j);
            th_set_text(j, "name", r->outputs[i].name);
            if (r->outputs[i].title) { th_set_text(j, "title", r->outputs[i].title); }
            th_json_end(j);
        }
        th_json_end(j);
    }
    if (r->examples[0].name) {
        th_json_key(j, "examples");
        th_json_array(j);
        for (size_t i = 0; i < 8 && r->examples[i].name; i++) th__example_json(j, &r->examples[i]);
        th_json_end(j);
    }
    th_json_end(j);
}

TH__API th_text th__manifest(const th_plugin *p) {
    th_json j = {0};
    th_json_object(&j);
    th_set_text(&j, "name", p->name);
    th_set_text(&j, "version", p->version);
    th_set_text(&j, "summary", p->summary ? p->summary : "");
    if (p->license) { th_set_text(&j, "license", p->license); }
    th_json_key(&j, "routines");
    th_json_array(&j);
    for (size_t i = 0; i < p->count; i++) th__routine_json(&j, &p->routines[i]);
    th_json_end(&j);
    th_json_end(&j);
    return (th_text){j.text.bytes, j.text.length};
}

/* ---- a call ---- */

typedef struct { const char *name, *type; } th_column;

/* An input table. */
typedef struct {
    th_call *call;
    int32_t number;
    const char *name;
    int64_t rows, file_bytes;
    int32_t batches;
    th_column *columns;
    size_t count; /* of columns */
} th_table;

typedef struct th_writer th_writer;

/* One call of a routine. */
struct th_call {
    const th_routine *routine;
    uint64_t seed;
    void *params, *state;
    th_table *inputs;
    size_t count; /* of inputs */
    th_writer *outputs;
    char failure[1024];
};

/* Says why the routine fails. It answers TH_FAILED, for the routine to return. */
__attribute__((format(printf, 2, 3)))
TH__API int th_fail(th_call *c, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(c->failure, sizeof c->failure, format, args);
    va_end(args);
    return TH_FAILED;
}

/* Writes a line to the job's log. */
__attribute__((format(printf, 2, 3)))
TH__API void th_log(th_call *c, const char *format, ...) {
    char line[2048];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof line - 1, format, args);
    va_end(args);
    (void)c;
    if (n < 0) return;
    if ((size_t)n > sizeof line - 2) n = sizeof line - 2;
    line[n] = '\n';
    th__log(line, (uint32_t)n + 1);
}

/* Says how far the routine is, from 0 to 1. */
__attribute__((format(printf, 3, 4)))
TH__API void th_progress(th_call *c, double fraction, const char *format, ...) {
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    (void)c;
    th__progress(fraction, text, (uint32_t)strlen(text));
}

/* Keeps a file under a name. */
TH__API void th_artifact(th_call *c, const char *name, const char *media, const void *content, size_t bytes) {
    (void)c;
    th__artifact_write(name, (uint32_t)strlen(name), media, (uint32_t)strlen(media), content, (uint32_t)bytes);
}

TH__API void th__finish_json(th_json *j) {
    if (j->depth) __builtin_trap(); /* an object or array was not ended */
}

/* Hands over the result, and empties the writer. */
TH__API void th_result(th_call *c, th_json *j) {
    (void)c;
    th__finish_json(j);
    th__result_write(j->text.bytes, (uint32_t)j->text.length);
    free(j->text.bytes);
    *j = (th_json){0};
}

/* Keeps a Vega-Lite specification as the artifact NAME.vl.json, and empties the
 * writer. */
TH__API void th_chart(th_call *c, const char *name, th_json *spec) {
    char file[160];
    th__finish_json(spec);
    snprintf(file, sizeof file, "%s.vl.json", name);
    th_artifact(c, file, "application/vnd.vegalite.v6+json", spec->text.bytes, spec->text.length);
    free(spec->text.bytes);
    *spec = (th_json){0};
}

/* ---- random numbers: PCG-DXSM, as docs/abi.md gives it ---- */

typedef struct { uint64_t high, low; } th_random;

TH__API void th__multiply(uint64_t a, uint64_t b, uint64_t *high, uint64_t *low) {
    uint64_t a0 = (uint32_t)a, a1 = a >> 32, b0 = (uint32_t)b, b1 = b >> 32;
    uint64_t middle = a1 * b0 + (a0 * b0 >> 32), other = a0 * b1 + (uint32_t)middle;
    *high = a1 * b1 + (middle >> 32) + (other >> 32);
    *low = a * b;
}

/* A generator that follows from the job's seed alone: the same numbers in every
 * language. */
TH__API th_random th_random_of(const th_call *c) { return (th_random){c->seed, 0}; }

/* The next 64 random bits. */
TH__API uint64_t th_random_bits(th_random *r) {
    const uint64_t times_high = 2549297995355413924u, times_low = 4865540595714422341u;
    const uint64_t plus_high = 6364136223846793005u, plus_low = 1442695040888963407u;
    uint64_t high, low;
    th__multiply(r->low, times_low, &high, &low);
    high += r->high * times_low + r->low * times_high;
    r->low = low + plus_low;
    r->high = high + plus_high + (r->low < low);
    high = r->high, low = r->low;
    high ^= high >> 32;
    high *= 0xda942042e4dd58b5u;
    high ^= high >> 48;
    return high * (low | 1);
}

/* A number from 0 to 1, without 1. */
TH__API double th_random_float(th_random *r) { return (double)(th_random_bits(r) << 11 >> 11) / 9007199254740992.0; }

/* A whole number from 0 to n, without n, which is not 0. */
TH__API uint64_t th_random_below(th_random *r, uint64_t n) {
    if (!n) __builtin_trap();
    if (!(n & (n - 1))) return th_random_bits(r) & (n - 1);
    uint64_t high, low;
    th__multiply(th_random_bits(r), n, &high, &low);
    if (low < n)
        for (uint64_t least = -n % n; low < least;) th__multiply(th_random_bits(r), n, &high, &low);
    return high;
}

/* ---- input tables ---- */

TH__API bool th_has_input(const th_call *c, const char *name) {
    for (size_t i = 0; i < c->count; i++) if (!strcmp(c->inputs[i].name, name)) return true;
    return false;
}

/* An input table; NULL: there is none of that name, and the routine has failed. */
TH__API const th_table *th_input(th_call *c, const char *name) {
    for (size_t i = 0; i < c->count; i++) if (!strcmp(c->inputs[i].name, name)) return &c->inputs[i];
    th_fail(c, "there is no input \"%s\"", name);
    return NULL;
}

/* The number of a column, or -1. */
TH__API int th_find(const th_table *t, const char *name) {
    for (size_t i = 0; i < t->count; i++) if (!strcmp(t->columns[i].name, name)) return (int)i;
    return -1;
}

TH__API bool th__is(const th_table *t, int column, const char *type) { return !strcmp(t->columns[column].type, type); }

/* The number of a column of one of two types, or -1, and the routine has failed. */
TH__API int th__want(const th_table *t, const char *name, const char *type, const char *or_type, const char *word) {
    int i = th_find(t, name);
    if (i < 0) { th_fail(t->call, "the table %s has no column \"%s\"", t->name, name); return -1; }
    if (th__is(t, i, type) || (or_type && th__is(t, i, or_type))) return i;
    th_fail(t->call, "column \"%s\" is %s, want %s", name, t->columns[i].type, word);
    return -1;
}

/* Whole columns, in the plugin's memory. A null row's value is 0 or empty; validity
 * has a bit for each row, and is NULL if no row is null: see th_valid. */
typedef struct { int64_t rows; const double *values; const uint8_t *validity; } th_float_column;
typedef struct { int64_t rows; const int64_t *values; const uint8_t *validity; } th_int_column;
typedef struct { int64_t rows; const uint8_t *values, *validity; } th_bool_column;
typedef struct { int64_t rows; const int32_t *offsets; const char *bytes; const uint8_t *validity; } th_text_column;

/* A bit of a column: of validity, whether a row is not null; of booleans, its value. */
TH__API bool th_bit(const uint8_t *bits, int64_t row) { return bits[row >> 3] >> (row & 7) & 1; }
TH__API bool th_valid(const uint8_t *validity, int64_t row) { return !validity || th_bit(validity, row); }

TH__API th_text th_text_at(const th_text_column *c, int64_t row) {
    return (th_text){c->bytes + c->offsets[row], (size_t)(c->offsets[row + 1] - c->offsets[row])};
}

TH__API void *th__part(const th_table *t, int column, int part, size_t bytes) {
    void *out = th_alloc(bytes);
    th__column_read(t->number, column, 0, t->rows, part, out, (uint32_t)bytes);
    return out;
}

TH__API uint8_t *th__validity(const th_table *t, int column) {
    uint8_t *bits = th__part(t, column, 0, (size_t)(t->rows + 7) / 8);
    for (int64_t i = 0; i < t->rows; i++) if (!th_bit(bits, i)) return bits;
    free(bits);
    return NULL;
}

/* Reads a column of numbers or booleans as floats. */
TH__API int th_read_floats(const th_table *t, const char *name, th_float_column *out) {
    int i = th__want(t, name, "int64", "float64", "a number");
    if (i < 0 && th_find(t, name) >= 0 && th__is(t, th_find(t, name), "bool")) i = th_find(t, name);
    if (i < 0) return TH_FAILED;
    double *values;
    if (th__is(t, i, "float64")) values = th__part(t, i, 1, (size_t)t->rows * 8);
    else if (th__is(t, i, "int64")) {
        th__vector v = {.input = t->number, .column = i, .rows = (uint64_t)t->rows};
        values = th_alloc((size_t)t->rows * 8);
        th__vector_floats(&v, values);
    } else {
        uint8_t *bits = th__part(t, i, 1, (size_t)(t->rows + 7) / 8);
        values = th_alloc((size_t)t->rows * 8);
        for (int64_t r = 0; r < t->rows; r++) values[r] = th_bit(bits, r);
        free(bits);
    }
    *out = (th_float_column){t->rows, values, th__validity(t, i)};
    return TH_OK;
}

/* Reads a column of integers, timestamps (microseconds since 1970) or dates (days
 * since 1970). */
TH__API int th_read_ints(const th_table *t, const char *name, th_int_column *out) {
    int i = th_find(t, name);
    if (i < 0 || !th__is(t, i, "date")) i = th__want(t, name, "int64", "timestamp", "integers");
    if (i < 0) return TH_FAILED;
    int64_t *values;
    if (th__is(t, i, "date")) {
        int32_t *days = th__part(t, i, 1, (size_t)t->rows * 4);
        values = th_alloc((size_t)t->rows * 8);
        for (int64_t r = 0; r < t->rows; r++) values[r] = days[r];
        free(days);
    } else values = th__part(t, i, 1, (size_t)t->rows * 8);
    *out = (th_int_column){t->rows, values, th__validity(t, i)};
    return TH_OK;
}

/* Reads a column of booleans: th_bit(out->values, row). */
TH__API int th_read_bools(const th_table *t, const char *name, th_bool_column *out) {
    int i = th__want(t, name, "bool", NULL, "booleans");
    if (i < 0) return TH_FAILED;
    *out = (th_bool_column){t->rows, th__part(t, i, 1, (size_t)(t->rows + 7) / 8), th__validity(t, i)};
    return TH_OK;
}

/* Reads a column of text: th_text_at(out, row). */
TH__API int th_read_texts(const th_table *t, const char *name, th_text_column *out) {
    int i = th__want(t, name, "string", NULL, "text");
    if (i < 0) return TH_FAILED;
    int32_t *offsets = th__part(t, i, 2, ((size_t)t->rows + 1) * 4);
    *out = (th_text_column){t->rows, offsets, th__part(t, i, 1, (size_t)offsets[t->rows]), th__validity(t, i)};
    return TH_OK;
}

/* ---- batches: columns as they are in the table's file, which nothing copies ---- */

enum { TH__MAP_ROOM = 128 << 10, TH__MAP_AT_ONCE = 64 << 20 };

/* A run of rows. Its columns may be read until the next th_next. */
typedef struct {
    const th_table *table;
    int64_t first, rows;

    int32_t number;
    int64_t *layout; /* rows, then offset and bytes of validity, values and offsets of each column */
    uint8_t *buffer;
    size_t room;
    const uint8_t *view;
    int64_t from, to; /* of the file that is in view */
} th_batch;

/* The batches of a table: for (th_batch b = th_batches(t); th_next(&b);) */
TH__API th_batch th_batches(const th_table *t) { return (th_batch){.table = t, .number = -1}; }

TH__API bool th_next(th_batch *b) {
    const th_table *t = b->table;
    if (b->number + 1 >= t->batches) { free(b->buffer); free(b->layout); b->buffer = NULL; b->layout = NULL; return false; }
    size_t size = 8 + 48 * t->count;
    if (!b->layout) b->layout = th_alloc(size);
    b->first += b->rows;
    th__input_layout(t->number, ++b->number, b->layout, (uint32_t)size);
    b->rows = b->layout[0];
    int64_t from = t->file_bytes, to = 0;
    for (size_t i = 0; i < 3 * t->count; i++) {
        const int64_t *span = b->layout + 1 + 2 * i;
        if (span[1] && span[0] < from) from = span[0];
        if (span[1] && span[0] + span[1] > to) to = span[0] + span[1];
    }
    if (to < from) to = from;
    if (b->view && b->from <= from && to <= b->to) return true;
    int64_t more = from + TH__MAP_AT_ONCE < t->file_bytes ? from + TH__MAP_AT_ONCE : t->file_bytes;
    if (more > to) to = more;
    size_t need = (size_t)(to - from) + TH__MAP_ROOM;
    if (need > b->room) { free(b->buffer); b->buffer = th_alloc(b->room = need); }
    b->from = from, b->to = to;
    b->view = th__input_map(t->number, from, to - from, b->buffer, (uint32_t)b->room);
    return true;
}

/* A part of a column of the batch; NULL: it is empty. */
TH__API const void *th__batch_part(const th_batch *b, int column, int part) {
    const int64_t *span = b->layout + 1 + 6 * column + 2 * part;
    return span[1] ? b->view + (span[0] - b->from) : NULL;
}

TH__API int th_batch_floats(const th_batch *b, const char *name, th_float_column *out) {
    int i = th__want(b->table, name, "float64", NULL, "float64");
    if (i >= 0) *out = (th_float_column){b->rows, th__batch_part(b, i, 1), th__batch_part(b, i, 0)};
    return i < 0 ? TH_FAILED : TH_OK;
}

/* Integers, or timestamps in microseconds since 1970. */
TH__API int th_batch_ints(const th_batch *b, const char *name, th_int_column *out) {
    int i = th__want(b->table, name, "int64", "timestamp", "int64 or timestamp");
    if (i >= 0) *out = (th_int_column){b->rows, th__batch_part(b, i, 1), th__batch_part(b, i, 0)};
    return i < 0 ? TH_FAILED : TH_OK;
}

TH__API int th_batch_bools(const th_batch *b, const char *name, th_bool_column *out) {
    int i = th__want(b->table, name, "bool", NULL, "bool");
    if (i >= 0) *out = (th_bool_column){b->rows, th__batch_part(b, i, 1), th__batch_part(b, i, 0)};
    return i < 0 ? TH_FAILED : TH_OK;
}

TH__API int th_batch_texts(const th_batch *b, const char *name, th_text_column *out) {
    int i = th__want(b->table, name, "string", NULL, "string");
    if (i >= 0) *out = (th_text_column){b->rows, th__batch_part(b, i, 2), th__batch_part(b, i, 1), th__batch_part(b, i, 0)};
    return i < 0 ? TH_FAILED : TH_OK;
}

/* ---- output tables ---- */

typedef struct { const char *name, *type; } th_col;

TH__API th_col th_int_col(const char *name) { return (th_col){name, "int64"}; }
TH__API th_col th_float_col(const char *name) { return (th_col){name, "float64"}; }
TH__API th_col th_bool_col(const char *name) { return (th_col){name, "bool"}; }
TH__API th_col th_text_col(const char *name) { return (th_col){name, "string"}; }

enum { TH__FLUSH_ROWS = 1024, TH__FLUSH_TEXT = 1 << 20 };

typedef struct {
    char kind; /* i, f, b or s */
    bool nulls;
    uint8_t validity[TH__FLUSH_ROWS / 8], bits[TH__FLUSH_ROWS / 8];
    union { int64_t ints[TH__FLUSH_ROWS]; double floats[TH__FLUSH_ROWS]; int32_t offsets[TH__FLUSH_ROWS + 1]; } as;
    th__bytes text;
} th__buffer;

/* An output table. Rows are handed to the host in batches. */
struct th_writer {
    th_call *call;
    th_writer *next;
    const char *name;
    th__bytes schema;
    th__buffer *columns;
    size_t count, at; /* of columns; the next one to be written */
    int rows;
    const char *wrong; /* with the row that is being written */
};

TH__API th_writer *th__output(th_call *c, const char *name, const th_col *columns, size_t count) {
    th_writer *w = th_alloc(sizeof *w);
    th_json j = {0};
    *w = (th_writer){.call = c, .next = c->outputs, .name = name, .count = count, .columns = th_alloc(count * sizeof(th__buffer))};
    th_json_array(&j);
    for (size_t i = 0; i < count; i++) {
        w->columns[i].kind = columns[i].type[0];
        th_json_object(&j);
        th_set_text(&j, "name", columns[i].name);
        th_set_text(&j, "type", columns[i].type);
        th_json_end(&j);
    }
    th_json_end(&j);
    w->schema = j.text;
    return c->outputs = w;
}

/* An output table: th_output(c, "steps", th_int_col("step"), th_float_col("mean")) */
#define th_output(c, name, ...) \
    th__output(c, name, (th_col[]){__VA_ARGS__}, sizeof((th_col[]){__VA_ARGS__}) / sizeof(th_col))

/* The column that the next value is for; NULL: it does not fit. */
TH__API th__buffer *th__place(th_writer *w, const char *kinds) {
    if (w->at == w->count) { w->wrong = "more values than columns"; return NULL; }
    th__buffer *b = &w->columns[w->at++];
    if (!strchr(kinds, b->kind)) { w->wrong = "a value is not of its column's type"; return NULL; }
    b->validity[w->rows / 8] |= (uint8_t)(1 << w->rows % 8);
    return b;
}

/* The values of a row, column by column; then th_end_row. */
TH__API void th_add_int(th_writer *w, int64_t v) {
    th__buffer *b = th__place(w, "if");
    if (b && b->kind == 'i') b->as.ints[w->rows] = v;
    if (b && b->kind == 'f') b->as.floats[w->rows] = (double)v;
}

TH__API void th_add_float(th_writer *w, double v) {
    th__buffer *b = th__place(w, "f");
    if (b) b->as.floats[w->rows] = v;
}

TH__API void th_add_bool(th_writer *w, bool v) {
    th__buffer *b = th__place(w, "b");
    if (b && v) b->bits[w->rows / 8] |= (uint8_t)(1 << w->rows % 8);
}

TH__API void th_add_bytes(th_writer *w, th_text t) {
    th__buffer *b = th__place(w, "s");
    if (b) th__put(&b->text, t.bytes, t.length);
}

TH__API void th_add_text(th_writer *w, const char *text) { th_add_bytes(w, (th_text){text, strlen(text)}); }

TH__API void th_add_null(th_writer *w) {
    th__buffer *b = th__place(w, "ifbs");
    if (!b) return;
    b->nulls = true;
    b->validity[w->rows / 8] &= (uint8_t)~(1 << w->rows % 8);
    if (b->kind == 'i') b->as.ints[w->rows] = 0;
    if (b->kind == 'f') b->as.floats[w->rows] = 0;
}

/* Hands over the rows so far, so that readers see them. */
TH__API void th_flush(th_writer *w) {
    if (!w->rows) return;
    th__buffers *parts = th_alloc(w->count * sizeof *parts);
    uint32_t bits = (uint32_t)(w->rows + 7) / 8;
    for (size_t i = 0; i < w->count; i++) {
        th__buffer *b = &w->columns[i];
        if (b->nulls) { parts[i].validity = b->validity; parts[i].validity_bytes = bits; }
        parts[i].values = &b->as, parts[i].values_bytes = (uint32_t)w->rows * 8;
        if (b->kind == 'b') { parts[i].values = b->bits; parts[i].values_bytes = bits; }
        if (b->kind == 's') {
            parts[i].values = b->text.bytes, parts[i].values_bytes = (uint32_t)b->text.length;
            parts[i].offsets = b->as.offsets, parts[i].offsets_bytes = ((uint32_t)w->rows + 1) * 4;
        }
    }
    th__table_append(w->name, (uint32_t)strlen(w->name), w->schema.bytes, (uint32_t)w->schema.length, w->rows, parts);
    free(parts);
    for (size_t i = 0; i < w->count; i++) {
        th__buffer *b = &w->columns[i];
        b->nulls = false, b->text.length = 0;
        memset(b->validity, 0, sizeof b->validity);
        memset(b->bits, 0, sizeof b->bits);
    }
    w->rows = 0;
}

TH__API int th_end_row(th_writer *w) {
    if (!w->wrong && w->at < w->count) w->wrong = "fewer values than columns";
    if (w->wrong) return th_fail(w->call, "table %s, row of %d values: %s", w->name, (int)w->at, w->wrong);
    size_t text = 0;
    w->at = 0, w->rows++;
    for (size_t i = 0; i < w->count; i++) {
        th__buffer *b = &w->columns[i];
        if (b->kind == 's') b->as.offsets[w->rows] = (int32_t)b->text.length;
        text += b->text.length;
    }
    if (w->rows == TH__FLUSH_ROWS || text >= TH__FLUSH_TEXT) th_flush(w);
    return TH_OK;
}

TH__API void th__flush_all(th_call *c) {
    for (th_writer *w = c->outputs; w; w = w->next) th_flush(w);
}

/* ---- vectors: arithmetic on long columns at the host's speed ---- */

/* A column of numbers: of an input, where the host reads it in place, or in memory.
 * Nulls are as if they were not there. docs/abi.md says what each function does. */
typedef struct { th__vector at; bool ints; } th_vector;

TH__API th_vector th_of_floats(const double *values, int64_t rows) {
    return (th_vector){{.input = -1, .column = 0, .from = (uintptr_t)values, .rows = (uint64_t)rows}, false};
}

TH__API th_vector th_of_ints(const int64_t *values, int64_t rows) {
    return (th_vector){{.input = -1, .column = 1, .from = (uintptr_t)values, .rows = (uint64_t)rows}, true};
}

/* The same vector in memory, of which some values are null. */
TH__API th_vector th_with_nulls(th_vector v, const uint8_t *validity) {
    v.at.validity = (uintptr_t)validity;
    return v;
}

/* A column of numbers or timestamps, which stays where it is. */
TH__API int th_vector_of(const th_table *t, const char *name, th_vector *out) {
    int i = th_find(t, name);
    if (i < 0 || !th__is(t, i, "timestamp")) i = th__want(t, name, "int64", "float64", "a number");
    if (i < 0) return TH_FAILED;
    *out = (th_vector){{.input = t->number, .column = i, .rows = (uint64_t)t->rows}, !th__is(t, i, "float64")};
    return TH_OK;
}

/* Each answers how many values took part, or a negative code. */
TH__API int64_t th_floats(const th_vector *v, double *out) { return th__vector_floats(&v->at, out); }

TH__API int64_t th_sum_ints(const th_vector *v, int64_t *sum) {
    if (!v->ints) __builtin_trap();
    return th__vector_sum(&v->at, sum);
}

TH__API int64_t th_sum(const th_vector *v, double *sum) {
    if (!v->ints) return th__vector_sum(&v->at, sum);
    int64_t exact = 0, n = th__vector_sum(&v->at, &exact);
    *sum = (double)exact;
    return n;
}

TH__API int64_t th_variance(const th_vector *v, int ddof, double *mean, double *variance) {
    double out[2];
    int64_t n = th__vector_variance(&v->at, ddof, out);
    *mean = out[0], *variance = out[1];
    return n;
}

TH__API int64_t th_minmax_ints(const th_vector *v, int64_t *low, int64_t *high) {
    int64_t out[2];
    if (!v->ints) __builtin_trap();
    int64_t n = th__vector_minmax(&v->at, out);
    *low = out[0], *high = out[1];
    return n;
}

TH__API int64_t th_minmax(const th_vector *v, double *low, double *high) {
    double out[2];
    int64_t n, a = 0, b = 0;
    if (v->ints) { n = th_minmax_ints(v, &a, &b); out[0] = (double)a, out[1] = (double)b; }
    else n = th__vector_minmax(&v->at, out);
    *low = out[0], *high = out[1];
    return n;
}

TH__API int64_t th_dot(const th_vector *x, const th_vector *y, double *out) { return th__vector_dot(&x->at, &y->at, out); }

typedef struct { double slope, intercept, correlation; } th_fit;

TH__API int64_t th_linreg(const th_vector *x, const th_vector *y, th_fit *out) {
    double fit[3];
    int64_t n = th__vector_linreg(&x->at, &y->at, fit);
    *out = (th_fit){fit[0], fit[1], fit[2]};
    return n;
}

TH__API int64_t th_histogram(const th_vector *v, double low, double high, int bins, int64_t *counts) {
    return th__vector_histogram(&v->at, low, high, bins, counts);
}

/* out has room for all rows; the values that are not null are the first in it. */
TH__API int64_t th_sort_floats(const th_vector *v, double *out) {
    if (v->ints) __builtin_trap();
    return th__vector_sort(&v->at, out);
}

TH__API int64_t th_sort_ints(const th_vector *v, int64_t *out) {
    if (!v->ints) __builtin_trap();
    return th__vector_sort(&v->at, out);
}

/* The rows in the order of their values. */
TH__API int64_t th_argsort(const th_vector *v, uint32_t *rows) {
    void *room = th_alloc(v->at.rows * 8);
    int64_t n = th__vector_argsort(&v->at, rows, room);
    free(room);
    return n;
}

TH__API int64_t th_quantiles(const th_vector *v, int count, const double *shares, double *out) {
    double *room = th_alloc(v->at.rows * 8);
    int64_t n = th__vector_quantiles(&v->at, count, shares, out, room);
    free(room);
    return n;
}

TH__API int64_t th_cumsum_floats(const th_vector *v, double *out) {
    if (v->ints) __builtin_trap();
    return th__vector_cumsum(&v->at, out);
}

TH__API int64_t th_cumsum_ints(const th_vector *v, int64_t *out) {
    if (!v->ints) __builtin_trap();
    return th__vector_cumsum(&v->at, out);
}

/* Adds values up by group, which is the key less base, and counts them. */
TH__API int64_t th_group(const th_vector *keys, int64_t base, const th_vector *values, int groups, int64_t *counts, double *sums) {
    void *room = th_alloc((size_t)groups * 8);
    int64_t n = th__vector_group(&keys->at, base, &values->at, groups, counts, sums, room);
    free(room);
    return n;
}

/* ---- what the host calls ---- */

TH__API void th__list(void *at, int kind, const char *json) {
    size_t count = 0, sizes[] = {sizeof(int64_t), sizeof(double), sizeof(bool), sizeof(char *)};
    for (const char *p = th__next(json); p; p = th__next(th__skip(p))) count++;
    char *items = th_alloc(count * sizes[kind]), *item = items;
    for (const char *p = th__next(json); p; p = th__next(th__skip(p)), item += sizes[kind])
        switch (kind) {
        case TH__INTEGER: *(int64_t *)item = strtoll(p, NULL, 10); break;
        case TH__NUMBER: *(double *)item = strtod(p, NULL); break;
        case TH__BOOLEAN: *(bool *)item = *p == 't'; break;
        case TH__TEXT: *(const char **)item = th__string(p); break;
        }
    th_texts list = {(void *)items, count}; /* lists of all kinds look alike */
    memcpy(at, &list, sizeof list);
}

/* Reads a param of the JSON that the host sent, which fits the schema. */
TH__API int th__decode(th_call *c, const th__field *f, const char *json) {
    char *at = (char *)c->params + f->offset;
    bool quoted = false;
    if (!json) {
        if (!f->standard && !f->optional) return th_fail(c, "params: %s is missing", f->key);
        if (!(json = f->standard)) {
            if (f->kind == TH__TEXT) *(const char **)at = "";
            return TH_OK;
        }
        quoted = f->kind == TH__TEXT;
    }
    json = th__space(json);
    char *end;
    switch (f->kind) {
    case TH__INTEGER:
        *(int64_t *)at = strtoll(json, &end, 10);
        if (*end == '.' || *end == 'e' || *end == 'E') *(int64_t *)at = (int64_t)strtod(json, &end);
        return end != json ? TH_OK : th_fail(c, "params: %s is not an integer", f->key);
    case TH__NUMBER:
        *(double *)at = strtod(json, &end);
        return end != json ? TH_OK : th_fail(c, "params: %s is not a number", f->key);
    case TH__BOOLEAN:
        *(bool *)at = *json == 't';
        return *json == 't' || *json == 'f' ? TH_OK : th_fail(c, "params: %s is not a boolean", f->key);
    case TH__TEXT:
        if (!quoted && *json != '"') return th_fail(c, "params: %s is not text", f->key);
        *(const char **)at = quoted ? json : th__string(json);
        return TH_OK;
    }
    if (*json != '[') return th_fail(c, "params: %s is not a list", f->key);
    th__list(at, f->kind - TH__INTEGERS, json);
    return TH_OK;
}

TH__API void th__read_input(th_call *c, const char *json) {
    c->inputs = th__grow(c->inputs, (c->count + 1) * sizeof *c->inputs);
    th_table *t = &c->inputs[c->count];
    *t = (th_table){.call = c, .number = (int32_t)c->count++};
    t->name = th__string(th__find(json, "name"));
    t->rows = strtoll(th__find(json, "rows"), NULL, 10);
    t->file_bytes = strtoll(th__find(json, "bytes"), NULL, 10);
    t->batches = (int32_t)strtoll(th__find(json, "batches"), NULL, 10);
    const char *columns = th__find(json, "columns");
    if (!columns || *columns != '[') return;
    for (const char *p = th__next(columns); p; p = th__next(th__skip(p))) {
        t->columns = th__grow(t->columns, (t->count + 1) * sizeof *t->columns);
        t->columns[t->count++] = (th_column){th__string(th__find(p, "name")), th__string(th__find(p, "type"))};
    }
}

/* Reads what a routine was called with. */
TH__API int th__begin(th_call *c, const th_plugin *p, int32_t number) {
    if (number < 0 || (size_t)number >= p->count) return th_fail(c, "there is no routine %d", (int)number);
    c->routine = &p->routines[number];
    uint32_t size = th__call_info(NULL, 0);
    char *info = th_alloc(size + 1); /* a NUL ends it */
    th__call_info(info, size);
    c->seed = strtoull(th__find(info, "seed"), NULL, 10);
    const char *inputs = th__find(info, "inputs"), *params = th__find(info, "params");
    if (inputs && *inputs == '[')
        for (const char *in = th__next(inputs); in; in = th__next(th__skip(in))) th__read_input(c, in);
    c->params = th_alloc(c->routine->params_size);
    if (c->routine->fields)
        for (const th__field *f = c->routine->fields(); f->key; f++)
            if (th__decode(c, f, th__find(params, f->key))) return TH_FAILED;
    free(info);
    return TH_OK;
}

/* What the host is answered. */
TH__API int32_t th__status(th_call *c, int status) {
    if (status >= 0) return status;
    if (!c->failure[0]) th_fail(c, "the routine failed and did not say why");
    th__fail(c->failure, (uint32_t)strlen(c->failure));
    return TH_FAILED;
}

TH__API int32_t th__run(th_call *c, const th_plugin *p, int32_t number) {
    int status = th__begin(c, p, number);
    if (!status && !c->routine->run) status = th_fail(c, "%s is a simulation", c->routine->name);
    if (!status) status = c->routine->run(c, c->params);
    if (!status) th__flush_all(c);
    return th__status(c, status);
}

TH__API int32_t th__init(th_call *c, const th_plugin *p, int32_t number) {
    int status = th__begin(c, p, number);
    if (!status && !c->routine->start) status = th_fail(c, "%s is not a simulation", c->routine->name);
    if (!status) {
        c->state = th_alloc(c->routine->state_size);
        status = c->routine->start(c, c->params, c->state);
    }
    return th__status(c, status);
}

TH__API int32_t th__step(th_call *c, int32_t steps) {
    int status = c->state ? TH_OK : th_fail(c, "no simulation was started");
    for (int32_t i = 0; i < steps && status == TH_OK; i++) status = c->routine->step(c, c->state);
    if (status == TH_DONE && c->routine->result(c, c->state)) status = TH_FAILED;
    if (status >= 0) th__flush_all(c); /* so that rows can be read while it runs */
    return th__status(c, status);
}

/* The plugin of this module. It is set once, at compile time. */
static const th_plugin th__plugin;

#ifdef THRESHER_NATIVE
#define TH__EXPORT(name)
#else
#define TH__EXPORT(name) __attribute__((export_name(#name)))

/* The job's call: a job has an instance of its own. */
static th_call th__call;

TH__EXPORT(thresher_describe) int64_t th__export_describe(void) {
    static th_text manifest;
    if (!manifest.bytes) manifest = th__manifest(&th__plugin);
    return (int64_t)((uint64_t)(uintptr_t)manifest.bytes << 32 | manifest.length);
}

TH__EXPORT(thresher_alloc) void *th__export_alloc(int32_t bytes) { return bytes > 0 ? th_alloc((size_t)bytes) : NULL; }
TH__EXPORT(thresher_run) int32_t th__export_run(int32_t number) { return th__run(&th__call, &th__plugin, number); }
TH__EXPORT(thresher_init) int32_t th__export_init(int32_t number) { return th__init(&th__call, &th__plugin, number); }
TH__EXPORT(thresher_step) int32_t th__export_step(int32_t steps) { return th__step(&th__call, steps); }
#endif

/* THRESHER_PLUGIN declares the plugin, after an array of its routines:
 *
 *     static const th_routine routines[] = {{.name = "greet", .run = greet, TH_PARAMS(greeting)}};
 *     THRESHER_PLUGIN(routines, .name = "hello", .version = "0.1.0", .summary = "Greets")
 */
#define THRESHER_PLUGIN(list, ...) \
    static const th_plugin th__plugin = {.routines = list, .count = sizeof(list) / sizeof(list[0]), __VA_ARGS__};

#endif
