// Kernels for the benchmarks. kernels.wasm is made of it by
//
//	clang-19 --target=wasm32 -O2 -nostdlib -mbulk-memory -Wl,--no-entry -s -o kernels.wasm kernels.c
//
// toolchain: Debian 12's clang-19 19.1.7, lld-19 19.1.7
#include <stdint.h>

#define EXPORT(name) __attribute__((export_name(#name))) uint32_t name(void)

static uint8_t sieved[1 << 20];

EXPORT(sieve) {
  uint32_t n = sizeof sieved, count = 0;
  for (uint32_t i = 0; i < n; i++) sieved[i] = 1;
  for (uint32_t i = 2; i * i < n; i++)
    if (sieved[i])
      for (uint32_t j = i * i; j < n; j += i) sieved[j] = 0;
  for (uint32_t i = 2; i < n; i++) count += sieved[i];
  return count;
}

#define N 200
static double a[N][N], b[N][N], c[N][N];

EXPORT(matmul) {
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++) a[i][j] = i + j, b[i][j] = i - j;
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++) {
      double s = 0;
      for (int k = 0; k < N; k++) s += a[i][k] * b[k][j];
      c[i][j] = s;
    }
  return (uint32_t)(int)c[17][33];
}

static uint8_t buffer[5000000];

EXPORT(fnv) {
  uint64_t h = 14695981039346656037ull;
  for (uint32_t i = 0; i < sizeof buffer; i++) h = (h ^ buffer[i]) * 1099511628211ull;
  return (uint32_t)h;
}

static uint32_t fib_(uint32_t n) { return n < 2 ? n : fib_(n - 1) + fib_(n - 2); }
EXPORT(fib) { return fib_(30); }

static uint32_t ack_(uint32_t m, uint32_t n) {
  return m == 0 ? n + 1 : n == 0 ? ack_(m - 1, 1) : ack_(m - 1, ack_(m, n - 1));
}
EXPORT(ackermann) { return ack_(2, 300) + ack_(3, 6); }

static uint32_t numbers[200000];

static void quicksort(uint32_t *a, int lo, int hi) {
  while (lo < hi) {
    uint32_t p = a[(lo + hi) / 2];
    int i = lo, j = hi;
    while (i <= j) {
      while (a[i] < p) i++;
      while (a[j] > p) j--;
      if (i <= j) {
        uint32_t t = a[i];
        a[i++] = a[j];
        a[j--] = t;
      }
    }
    if (j - lo < hi - i) {
      quicksort(a, lo, j);
      lo = i;
    } else {
      quicksort(a, i, hi);
      hi = j;
    }
  }
}

EXPORT(sort) {
  uint32_t s = 12345;
  for (int i = 0; i < 200000; i++) numbers[i] = s = s * 1664525u + 1013904223u;
  quicksort(numbers, 0, 199999);
  return numbers[1000];
}

static const uint32_t K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be,
    0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa,
    0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
    0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
    0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
    0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

#define R(x, n) (((x) >> (n)) | ((x) << (32 - (n))))

static void block(uint32_t *h, const uint8_t *p) {
  uint32_t w[64];
  for (int i = 0; i < 16; i++) w[i] = p[4 * i] << 24 | p[4 * i + 1] << 16 | p[4 * i + 2] << 8 | p[4 * i + 3];
  for (int i = 16; i < 64; i++) {
    uint32_t s = R(w[i - 15], 7) ^ R(w[i - 15], 18) ^ (w[i - 15] >> 3), t = R(w[i - 2], 17) ^ R(w[i - 2], 19) ^ (w[i - 2] >> 10);
    w[i] = w[i - 16] + s + w[i - 7] + t;
  }
  uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4], f = h[5], g = h[6], k = h[7];
  for (int i = 0; i < 64; i++) {
    uint32_t s = k + (R(e, 6) ^ R(e, 11) ^ R(e, 25)) + ((e & f) ^ (~e & g)) + K[i] + w[i];
    uint32_t t = (R(a, 2) ^ R(a, 13) ^ R(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
    k = g, g = f, f = e, e = d + s, d = c, c = b, b = a, a = s + t;
  }
  h[0] += a, h[1] += b, h[2] += c, h[3] += d, h[4] += e, h[5] += f, h[6] += g, h[7] += k;
}

EXPORT(sha256) {
  uint32_t h[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  for (uint32_t i = 0; i < 1000000 / 64; i++) block(h, buffer + 64 * i);
  return h[0];
}

// The matcher of Pike and Kernighan.
static int here(const char *re, const char *t);
static int star(int c, const char *re, const char *t) {
  do
    if (here(re, t)) return 1;
  while (*t && (*t++ == c || c == '.'));
  return 0;
}
static int here(const char *re, const char *t) {
  if (!*re) return 1;
  if (re[1] == '*') return star(re[0], re + 2, t);
  if (*re == '$' && !re[1]) return !*t;
  if (*t && (*re == '.' || *re == *t)) return here(re + 1, t + 1);
  return 0;
}

static char text[20001];

EXPORT(regex) {
  for (int i = 0; i < 20000; i++) text[i] = "abacadaeafagah"[i % 14];
  uint32_t n = 0;
  for (int i = 0; i < 2000; i++) {
    char *t = text + i * 5, end = t[60];
    t[60] = 0;
    n += here("a*b.*c.*e.*h$", t) + here(".*ag.*zz", t);
    t[60] = end;
  }
  return n;
}

// An interpreter: a loop around a switch.
EXPORT(interpreter) {
  static const uint8_t program[] = {0, 1, 2, 3, 4, 5, 2, 1, 0, 6};
  for (uint32_t acc = 1, n = 0, pc = 0;;) switch (program[pc++]) {
      case 0: acc += 7; break;
      case 1: acc *= 3; break;
      case 2: acc ^= acc >> 3; break;
      case 3: acc -= n; break;
      case 4: acc += sieved[acc & 0xfffff]; break;
      case 5: acc |= 1; break;
      case 6:
        if (++n == 300000) return acc;
        pc = 0;
        break;
      default: __builtin_trap();
    }
}

static uint32_t keys[1 << 16], values[1 << 16];
__attribute__((noinline)) static uint32_t hash(uint32_t x) {
  x = (x ^ x >> 16) * 0x7feb352du;
  x = (x ^ x >> 15) * 0x846ca68bu;
  return x ^ x >> 16;
}
__attribute__((noinline)) static uint32_t *slot(uint32_t k) {
  uint32_t i = hash(k) & 0xffff;
  while (keys[i] && keys[i] != k) i = (i + 1) & 0xffff;
  keys[i] = k;
  return &values[i];
}

EXPORT(hashmap) {
  for (int i = 0; i < 1 << 16; i++) keys[i] = values[i] = 0;
  uint32_t s = 1, most = 0;
  for (int i = 0; i < 1000000; i++) {
    s = s * 1664525u + 1013904223u;
    ++*slot((s >> 16) % 30000 + 1);
  }
  for (int i = 0; i < 1 << 16; i++)
    if (values[i] > most) most = values[i];
  return most;
}

EXPORT(mandelbrot) {
  uint32_t n = 0;
  for (int y = 0; y < 200; y++)
    for (int x = 0; x < 200; x++) {
      double cr = x / 100.0 - 1.5, ci = y / 100.0 - 1, zr = 0, zi = 0;
      for (int i = 0; i < 200 && zr * zr + zi * zi < 4; i++, n++) {
        double t = zr * zr - zi * zi + cr;
        zi = 2 * zr * zi + ci;
        zr = t;
      }
    }
  return n;
}

static int add(int a, int b) { return a + b; }
static int (*volatile function)(int, int) = add;
EXPORT(pointer) {
  int s = 0;
  for (int i = 0; i < 1000000; i++) s = function(s, i);
  return s;
}

// Copies of a few bytes, as compilers make them of memcpy.
EXPORT(memcpy_) {
  uint32_t n = 0;
  for (uint32_t i = 0; i < 200000; i++) {
    __builtin_memcpy(buffer + (i & 0xfff), buffer + 0x2000 + (i & 0x7ff), 40 + (i & 63));
    n += buffer[i & 0xfff];
  }
  return n;
}
