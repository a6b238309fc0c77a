#include <stdint.h>
#define EXPORT(name) __attribute__((export_name(#name)))
#define IMPORT(name) __attribute__((import_module("thresher"), import_name(#name)))
IMPORT(log) void host_log(const char *text, int32_t length);

static const char manifest[] =
    "{\"name\":\"lined\",\"version\":\"1.0.0\",\"summary\":\"Crashes\",\"routines\":[{\"name\":\"crash\",\"kind\":\"analysis\","
    "\"title\":\"Crash\",\"params\":{\"type\":\"object\"}}]}";

EXPORT(thresher_describe) int64_t describe(void) {
    return (int64_t)(uintptr_t)manifest << 32 | (sizeof manifest - 1);
}
EXPORT(thresher_alloc) void *alloc(int32_t bytes) { (void)bytes; return 0; }

static volatile int32_t zero;

__attribute__((noinline)) static int32_t divide(int32_t n) {
    int32_t sum = 0;
    for (int32_t i = 0; i < 10; i++) {
        sum += n / (zero + 9 - i); /* this is where, in the end: the last time by zero */
    }
    return sum;
}

EXPORT(thresher_run) int32_t run(int32_t routine) {
    host_log("about to divide\n", 16);
    return divide(routine + 1) + 1; /* and from here */
}
