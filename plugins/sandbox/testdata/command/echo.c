// Writes what it reads: its input is its output, whatever the format.
#include <stdio.h>

int main(void) {
    static char buffer[5000];
    size_t n;
    while ((n = fread(buffer, 1, sizeof buffer, stdin)) > 0) {
        if (fwrite(buffer, 1, n, stdout) != n) {
            return 1;
        }
    }
    fprintf(stderr, "done\n");
    return 0;
}
