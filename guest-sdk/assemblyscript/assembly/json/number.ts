// Decimal text to binary floating point, rounded correctly. AssemblyScript's own parseFloat is wrong by powers of ten for some numbers
// above 1e38 (measured with 0.28.20: "1.1894548156105827e+52" is read as 1.1894548156105826e+38).

/** The number that the characters from `start` to `end` spell. They follow JSON's grammar. Too large is an infinity. */
export function toFloat(start: usize, end: usize): f64 {
  const negative = load<u8>(start) == 0x2D;
  let p = start + <usize>negative;
  let mantissa: u64 = 0;
  let exponent = 0;
  let fraction = false;
  let exact = true;
  for (; p < end; p++) {
    const c = <u32>load<u8>(p);
    if (c == 0x2E) {
      fraction = true;
      continue;
    }
    if (c - 48 > 9) break;
    if (mantissa <= (<u64>F64.MAX_SAFE_INTEGER - 9) / 10) {
      mantissa = mantissa * 10 + (c - 48);
      if (fraction) exponent--;
    } else {
      exact = false;
    }
  }
  const e = p < end ? exponentAt(p + 1, end) : 0;
  exponent += e;
  // Up to 2^53 and 10^22 both factors are exact, and so one operation rounds correctly.
  let value: f64;
  if (exact && mantissa == 0) value = 0;
  else if (exact && exponent >= 0 && exponent <= 22) value = <f64>mantissa * powerOfTen(exponent);
  else if (exact && exponent < 0 && exponent >= -22) value = <f64>mantissa / powerOfTen(-exponent);
  else value = slowly(start + <usize>negative, p, e);
  return negative ? -value : value;
}

function exponentAt(p: usize, end: usize): i32 {
  const negative = load<u8>(p) == 0x2D;
  if (negative || load<u8>(p) == 0x2B) p++;
  let e = 0;
  for (; p < end; p++) {
    if (e < 100_000_000) e = e * 10 + (load<u8>(p) - 48);
  }
  return negative ? -e : e;
}

function powerOfTen(n: i32): f64 {
  let p: f64 = 1;
  while (n-- > 0) p *= 10; // exact up to 10^22
  return p;
}

// The slow way: a decimal fraction 0.d₀d₁d₂… × 10^point is multiplied and divided by powers of two until its first 53 bits are the
// integer part. No double and no middle between two has more than 767 digits, so of what is beyond CAPACITY it matters only
// whether it is zero.
const CAPACITY = 800;
const DIGITS: usize = memory.data(CAPACITY);
const SHIFTED: usize = memory.data(CAPACITY + 24);

let count = 0; // of digits
let point = 0;
let more = false; // there were digits other than 0 beyond CAPACITY

function slowly(p: usize, end: usize, exponent: i32): f64 {
  count = 0;
  point = 0;
  more = false;
  let fraction = false;
  for (; p < end; p++) {
    const digit = <u32>load<u8>(p) - 48;
    if (digit > 9) { // the decimal point
      fraction = true;
      continue;
    }
    if (count == 0 && digit == 0) {
      if (fraction) point--;
      continue;
    }
    if (!fraction) point++;
    if (count < CAPACITY) store<u8>(DIGITS + count++, digit);
    else if (digit) more = true;
  }
  trim();
  point += exponent;
  if (count == 0 || point < -330) return 0;
  if (point > 310) return Infinity;

  let binary = 0;
  while (point > 0) binary += shiftRight(point >= 9 ? 27 : max(point * 3, 1));
  while (point < 0 || load<u8>(DIGITS) < 5) binary -= shiftLeft(point < -8 ? 27 : max(-point * 3, 1));
  // It is from ½ to 1 now; doubles count from 1 to 2.
  binary--;
  while (binary < -1022) binary += shiftRight(min(-1022 - binary, 60));
  shiftLeft(53);
  let mantissa = integer();
  if (mantissa == <u64>1 << 53) {
    mantissa >>= 1;
    binary++;
  }
  if (binary > 1023) return Infinity;
  if (mantissa < <u64>1 << 52) return reinterpret<f64>(mantissa); // subnormal
  return reinterpret<f64>(mantissa & (<u64>1 << 52) - 1 | <u64>(binary + 1023) << 52);
}

// integer is the integer part, rounded to even.
function integer(): u64 {
  let n: u64 = 0;
  for (let i = 0; i < point; i++) n = n * 10 + (i < count ? load<u8>(DIGITS + i) : 0);
  if (point < 0 || point >= count) return n;
  const next = load<u8>(DIGITS + point);
  if (next == 5 && point + 1 == count && !more) return n + (n & 1);
  return n + u64(next >= 5);
}

// shiftRight divides by 2^k, k at most 60, and returns k.
function shiftRight(k: i32): i32 {
  let read = 0;
  let write = 0;
  let n: u64 = 0;
  for (; n >> k == 0; read++) n = n * 10 + (read < count ? load<u8>(DIGITS + read) : 0);
  point -= read - 1;
  const mask = (<u64>1 << k) - 1;
  while (read < count || n != 0) {
    const digit = <u32>(n >> k);
    if (write < CAPACITY) store<u8>(DIGITS + write++, digit);
    else if (digit) more = true;
    n = (n & mask) * 10 + (read < count ? load<u8>(DIGITS + read) : 0);
    read++;
  }
  count = write;
  trim();
  return k;
}

// shiftLeft multiplies by 2^k, k at most 60, and returns k.
function shiftLeft(k: i32): i32 {
  let at = SHIFTED + CAPACITY + 24;
  let n: u64 = 0;
  for (let i = count - 1; i >= 0 || n != 0; i--) {
    if (i >= 0) n += <u64>load<u8>(DIGITS + i) << k;
    store<u8>(--at, <u32>(n % 10));
    n /= 10;
  }
  const made = <i32>(SHIFTED + CAPACITY + 24 - at);
  point += made - count;
  for (let i = CAPACITY; i < made; i++) {
    if (load<u8>(at + i)) more = true;
  }
  count = min(made, CAPACITY);
  memory.copy(DIGITS, at, count);
  trim();
  return k;
}

function trim(): void {
  while (count > 0 && load<u8>(DIGITS + count - 1) == 0) count--;
}
