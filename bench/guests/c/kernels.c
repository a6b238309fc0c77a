// The guest of bench/sandbox in C: see guests/go/main.go. It uses no library.
#include <stdint.h>

#define EXPORT(name) __attribute__((export_name(#name)))
#define ROUTINE(name) "{\"name\":\"" name "\",\"kind\":\"analysis\",\"title\":\"\",\"params\":{\"type\":\"object\"}}"

static const char manifest[] =
    "{\"name\":\"bench-c\",\"version\":\"1.0.0\",\"summary\":\"\",\"routines\":["
    ROUTINE("nothing") "," ROUTINE("spin") "," ROUTINE("recurse") "," ROUTINE("fib") "," ROUTINE("matmul") ","
    ROUTINE("sieve") "," ROUTINE("nbody") "," ROUTINE("sha256") "," ROUTINE("sort") "," ROUTINE("search") ","
    ROUTINE("hash") "]}";

EXPORT(thresher_describe) int64_t describe(void) {
    return (int64_t)((uint64_t)(uintptr_t)manifest << 32 | (sizeof manifest - 1));
}

static char room[1 << 16];
EXPORT(thresher_alloc) void *alloc(int32_t n) { return n <= (int32_t)sizeof room ? room : 0; }

EXPORT(nothing) int32_t nothing(void) { return 0; }

__attribute__((noinline)) static int64_t fib(int64_t n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }

enum { SIDE = 200 };
static double a[SIDE * SIDE], b[SIDE * SIDE], c[SIDE * SIDE];

static int64_t matmul(void) {
    for (int i = 0; i < SIDE * SIDE; i++) { a[i] = i % 7; b[i] = i % 5; }
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++) {
            double sum = 0;
            for (int k = 0; k < SIDE; k++) sum += a[i * SIDE + k] * b[k * SIDE + j];
            c[i * SIDE + j] = sum;
        }
    double total = 0;
    for (int i = 0; i < SIDE * SIDE; i++) total += c[i];
    return (int64_t)total;
}

enum { BYTES = 1 << 20 };
static uint8_t buffer[BYTES];

static int64_t sieve(void) {
    int64_t count = 0;
    for (int round = 0; round < 4; round++) {
        count = 0;
        for (int i = 0; i < BYTES; i++) buffer[i] = 1;
        for (int i = 2; i < BYTES; i++) {
            if (!buffer[i]) continue;
            count++;
            for (int j = 2 * i; j < BYTES; j += i) buffer[j] = 0;
        }
    }
    return count;
}

typedef struct { double x, y, z, u, v, w, mass; } body;

static int64_t nbody(void) {
    body bodies[5];
    for (int i = 0; i < 5; i++) {
        double f = i + 1;
        bodies[i] = (body){f, f * f * 0.5, 3 - f, 0.1 * f, 0.2 - 0.05 * f, 0.03 * f, 1 / f};
    }
    for (int n = 0; n < 40000; n++) {
        for (int i = 0; i < 5; i++) {
            body *p = &bodies[i];
            for (int j = i + 1; j < 5; j++) {
                body *q = &bodies[j];
                double dx = p->x - q->x, dy = p->y - q->y, dz = p->z - q->z;
                double d = dx * dx + dy * dy + dz * dz + 0.01, m = 0.001 / (d * d);
                p->u -= dx * q->mass * m; p->v -= dy * q->mass * m; p->w -= dz * q->mass * m;
                q->u += dx * p->mass * m; q->v += dy * p->mass * m; q->w += dz * p->mass * m;
            }
        }
        for (int i = 0; i < 5; i++) {
            body *p = &bodies[i];
            p->x += 0.001 * p->u; p->y += 0.001 * p->v; p->z += 0.001 * p->w;
        }
    }
    return (int64_t)((bodies[0].x + bodies[1].y + bodies[4].z) * 1e6);
}

static uint32_t constants[64];
static inline uint32_t turn(uint32_t v, int n) { return v >> n | v << (32 - n); }

static int64_t hashing(void) {
    uint32_t x = 1, h[8] = {1, 2, 3, 4, 5, 6, 7, 8}, w[64];
    for (int i = 0; i < 64; i++) constants[i] = x = x * 1664525u + 1013904223u;
    for (int i = 0; i < BYTES; i++) buffer[i] = (uint8_t)i;
    for (int at = 0; at < BYTES; at += 64) {
        for (int i = 0; i < 16; i++) {
            uint8_t *p = buffer + at + 4 * i;
            w[i] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
        }
        for (int i = 16; i < 64; i++)
            w[i] = w[i - 16] + (turn(w[i - 15], 7) ^ turn(w[i - 15], 18) ^ w[i - 15] >> 3) + w[i - 7] +
                   (turn(w[i - 2], 17) ^ turn(w[i - 2], 19) ^ w[i - 2] >> 10);
        uint32_t s[8];
        for (int i = 0; i < 8; i++) s[i] = h[i];
        for (int i = 0; i < 64; i++) {
            uint32_t t1 = s[7] + (turn(s[4], 6) ^ turn(s[4], 11) ^ turn(s[4], 25)) + ((s[4] & s[5]) ^ (~s[4] & s[6])) + constants[i] + w[i];
            uint32_t t2 = (turn(s[0], 2) ^ turn(s[0], 13) ^ turn(s[0], 22)) + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
            s[7] = s[6]; s[6] = s[5]; s[5] = s[4]; s[4] = s[3] + t1;
            s[3] = s[2]; s[2] = s[1]; s[1] = s[0]; s[0] = t1 + t2;
        }
        for (int i = 0; i < 8; i++) h[i] += s[i];
    }
    return (int64_t)h[0];
}

enum { ITEMS = 1 << 17 };
static uint32_t numbers[ITEMS];

static void quick(uint32_t *v, int low, int high) {
    while (low < high) {
        uint32_t pivot = v[(low + high) / 2];
        int i = low - 1, j = high + 1;
        for (;;) {
            do i++; while (v[i] < pivot);
            do j--; while (v[j] > pivot);
            if (i >= j) break;
            uint32_t t = v[i]; v[i] = v[j]; v[j] = t;
        }
        quick(v, low, j);
        low = j + 1;
    }
}

static int64_t sorting(void) {
    uint32_t x = 7;
    for (int i = 0; i < ITEMS; i++) numbers[i] = x = x * 1664525u + 1013904223u;
    quick(numbers, 0, ITEMS - 1);
    int64_t sum = 0;
    for (int i = 0; i < ITEMS; i += 1000) sum += numbers[i];
    return sum;
}

static int64_t search(void) {
    uint32_t x = 3;
    for (int i = 0; i < BYTES; i++) { x = x * 1664525u + 1013904223u; buffer[i] = x >> 30; }
    int64_t found = 0;
    for (int n = 0; n < 4; n++)
        for (int i = 0; i + 6 <= BYTES; i++) {
            int j = 0;
            while (j < 6 && buffer[i + j] == ((n + j) & 3)) j++;
            found += j == 6;
        }
    return found;
}

enum { SLOTS = 1 << 17 };
static uint32_t keys[SLOTS], values[SLOTS];

static uint32_t probe(uint32_t key) {
    uint32_t at = key * 2654435761u >> 15;
    while (keys[at] && keys[at] != key) at = (at + 1) & (SLOTS - 1);
    return at;
}

static int64_t hashmap(void) {
    int64_t found = 0;
    for (uint32_t round = 0; round < 4; round++) {
        for (int i = 0; i < SLOTS; i++) keys[i] = 0;
        uint32_t x = round + 1;
        for (int i = 0; i < SLOTS / 2; i++) {
            x = x * 1664525u + 1013904223u;
            uint32_t at = probe(x | 1);
            keys[at] = x | 1;
            values[at] += x;
        }
        x = round + 1;
        for (int i = 0; i < SLOTS; i++) {
            x = x * 1664525u + 1013904223u;
            found += keys[probe(x | 1)] == (x | 1);
        }
    }
    return found;
}

EXPORT(kernel) int64_t kernel(int32_t k) {
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

static volatile uint64_t turns;
static volatile int64_t last;

EXPORT(thresher_run) int32_t run(int32_t routine) {
    switch (routine) {
    case 0: return 0;
    case 1: for (;;) turns++;
    case 2: for (;;) last = fib(40);
    }
    last = kernel(routine - 3);
    return 0;
}
