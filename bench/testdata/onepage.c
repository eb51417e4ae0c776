// A guest that prepares a table of 1 MiB in its initialisation, and whose call dirties one page.
// onepage.wasm is made of it by
//
//	clang-19 --target=wasm32 -O2 -nostdlib -fno-builtin -Wl,--no-entry -s -o onepage.wasm onepage.c
//
// toolchain: Debian 12's clang-19 19.1.7, lld-19 19.1.7
#include <stdint.h>

#define IMPORT(name) __attribute__((import_module("wasmworker:activity/v1"), import_name(#name)))
#define EXPORT(name) __attribute__((export_name(#name)))

IMPORT(arg_read) int64_t arg_read(uint32_t index, void *dst, uint32_t cap);
IMPORT(output_write) int64_t output_write(const void *src, uint32_t len);

static uint8_t table[1 << 20];
static uint8_t buffer[4096] __attribute__((aligned(4096)));

EXPORT(_initialize) void initialize(void) {
  for (uint32_t i = 0; i < sizeof table; i++) table[i] = (uint8_t)(i * 31 + 7);
}

EXPORT(Translate) int32_t translate(void) {
  uint32_t n = (uint32_t)arg_read(0, buffer, sizeof buffer);
  if (n > sizeof buffer) return 1;
  for (uint32_t i = 0; i < n; i++) buffer[i] = table[buffer[i] << 12];
  output_write(buffer, n);
  return 0;
}
