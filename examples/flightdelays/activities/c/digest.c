// SHA-256 of what goes in and of what comes out, so that a report can say which bytes it was made from.

#define WASMWORKER_IMPLEMENTATION
#include <wasmworker.h>

WW_PASSTHROUGH(files_read, "wasmworker:files/v1", "read");

// FIPS 180-4.
typedef struct {
    uint32_t state[8];
    uint64_t length;
    uint8_t block[64];
} sha256;

static const uint32_t sha256_k[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be,
    0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa,
    0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
    0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
    0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
    0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static sha256 sha256_new(void) {
    return (sha256){.state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19}};
}

static uint32_t rotate(uint32_t x, int n) { return x >> n | x << (32 - n); }

static void sha256_block(uint32_t state[8], const uint8_t *p) {
    uint32_t w[64];
    for (int i = 0; i < 16; i++, p += 4) w[i] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    for (int i = 16; i < 64; i++) {
        uint32_t s0 = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
        uint32_t s1 = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4], f = state[5], g = state[6], h = state[7];
    for (int i = 0; i < 64; i++) {
        uint32_t t1 = h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & f) ^ (~e & g)) + sha256_k[i] + w[i];
        uint32_t t2 = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
        h = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d, state[4] += e, state[5] += f, state[6] += g, state[7] += h;
}

static void sha256_add(sha256 *s, ww_str data) {
    const uint8_t *p = (const uint8_t *)data.ptr;
    size_t left = data.len;
    while (left > 0) {
        size_t used = s->length % 64;
        size_t n = left < 64 - used ? left : 64 - used;
        memcpy(s->block + used, p, n);
        s->length += n, p += n, left -= n;
        if (s->length % 64 == 0) sha256_block(s->state, s->block);
    }
}

static void sha256_hex(sha256 *s, char hex[65]) {
    uint64_t bits = s->length * 8;
    sha256_add(s, (ww_str){"\x80", 1});
    while (s->length % 64 != 56) sha256_add(s, (ww_str){"", 1});
    char end[8];
    for (int i = 0; i < 8; i++) end[i] = (char)(bits >> (56 - 8 * i));
    sha256_add(s, (ww_str){end, sizeof end});
    for (int i = 0; i < 8; i++) snprintf(hex + 8 * i, 9, "%08x", (unsigned)s->state[i]);
}

static int output_digest(sha256 *s) {
    ww_writer w = {0};
    ww_begin_object(&w);
    ww_set_int(&w, "bytes", (int64_t)s->length);
    char hex[65];
    sha256_hex(s, hex);
    ww_set_str(&w, "sha256", (ww_str){hex, 64});
    ww_end_object(&w);
    return ww_output_json(&w);
}

// DigestFile("flights.json") reads the file block by block, so that its size does not matter, and says how far it is.
WW_ACTIVITY_AS("DigestFile", digest_file) {
    ww_str file = ww_as_str(ww_arg(0));
    if (!ww_ok()) return WW_FAILED;

    const int64_t block = 1 << 20;
    sha256 s = sha256_new();
    for (;;) {
        ww_mark mark = ww_mark_memory();
        ww_writer request = {0};
        ww_begin_object(&request);
        ww_set_str(&request, "file", file);
        ww_set_int(&request, "offset", (int64_t)s.length);
        ww_set_int(&request, "length", block);
        ww_end_object(&request);
        ww_str data;
        int err = ww_call(files_read, ww_text(&request), &data);
        if (err == WW_ENOENT) return ww_fail(.type = "NoSuchFile", .message = ww_last_error().ptr, .non_retryable = true);
        if (err) return ww_failf("%s: %s: %s", file.ptr, ww_errno_name(err), ww_last_error().ptr);
        size_t n = data.len;
        sha256_add(&s, data);
        ww_release_memory(mark);
        if ((int64_t)n < block) return output_digest(&s);
        ww_heartbeat_int((int64_t)s.length);
        if (ww_should_stop()) return WW_CANCELLED;
    }
}

// DigestText("…") is that of the text's UTF-8.
WW_ACTIVITY_AS("DigestText", digest_text) {
    ww_str text = ww_as_str(ww_arg(0));
    if (!ww_ok()) return WW_FAILED;
    sha256 s = sha256_new();
    sha256_add(&s, text);
    return output_digest(&s);
}
