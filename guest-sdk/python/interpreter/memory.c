// memcpy, memmove and memset in place of wasi-libc's, which copy in loops: this one is
// compiled with -mbulk-memory, and has the runtime copy what is longer than a few words.

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint64_t word __attribute__((aligned(1), may_alias));
typedef uint32_t half __attribute__((aligned(1), may_alias));
typedef uint16_t quarter __attribute__((aligned(1), may_alias));

// Everything is read before anything is written: the two may overlap. Both ends are copied
// in units that may overlap, too.
void *memmove(void *to, const void *from, size_t n) {
    unsigned char *t = to;
    const unsigned char *f = from;
    if (n > 32) {
        return __builtin_memmove(to, from, n); // memory.copy
    }
    if (n > 16) {
        word a = *(word *)f, b = *(word *)(f + 8), c = *(word *)(f + n - 16), d = *(word *)(f + n - 8);
        *(word *)t = a, *(word *)(t + 8) = b, *(word *)(t + n - 16) = c, *(word *)(t + n - 8) = d;
    } else if (n >= 8) {
        word a = *(word *)f, b = *(word *)(f + n - 8);
        *(word *)t = a, *(word *)(t + n - 8) = b;
    } else if (n >= 4) {
        half a = *(half *)f, b = *(half *)(f + n - 4);
        *(half *)t = a, *(half *)(t + n - 4) = b;
    } else if (n >= 2) {
        quarter a = *(quarter *)f, b = *(quarter *)(f + n - 2);
        *(quarter *)t = a, *(quarter *)(t + n - 2) = b;
    } else if (n == 1) {
        *t = *f;
    }
    return to;
}

void *memcpy(void *restrict to, const void *restrict from, size_t n) {
    return memmove(to, from, n);
}

void *memset(void *to, int value, size_t n) {
    unsigned char *t = to;
    uint64_t v = (unsigned char)value * 0x0101010101010101ull;
    if (n > 32) {
        return __builtin_memset(to, value, n); // memory.fill
    }
    if (n > 16) {
        *(word *)t = v, *(word *)(t + 8) = v, *(word *)(t + n - 16) = v, *(word *)(t + n - 8) = v;
    } else if (n >= 8) {
        *(word *)t = v, *(word *)(t + n - 8) = v;
    } else if (n >= 4) {
        *(half *)t = (half)v, *(half *)(t + n - 4) = (half)v;
    } else if (n >= 2) {
        *(quarter *)t = (quarter)v, *(quarter *)(t + n - 2) = (quarter)v;
    } else if (n == 1) {
        *t = (unsigned char)v;
    }
    return to;
}
