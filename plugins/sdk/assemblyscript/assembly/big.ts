// Whole numbers of any size, for reading and writing floats to the last bit.

export class Big {
  words: Array<u32> = []; // least significant first, no zeros at the end

  static of(n: u64): Big {
    const b = new Big();
    b.words.push(<u32>n);
    b.words.push(<u32>(n >> 32));
    return b.trim();
  }

  copy(): Big {
    const b = new Big();
    b.words = this.words.slice(0);
    return b;
  }

  private trim(): Big {
    while (this.words.length > 0 && this.words[this.words.length - 1] == 0) this.words.pop();
    return this;
  }

  // this = this × factor + more
  times(factor: u32, more: u32 = 0): Big {
    let carry: u64 = more;
    for (let i = 0; i < this.words.length; i++) {
      carry += <u64>unchecked(this.words[i]) * factor;
      unchecked(this.words[i] = <u32>carry);
      carry >>= 32;
    }
    if (carry) this.words.push(<u32>carry);
    return this;
  }

  timesTen(power: i32): Big {
    for (; power >= 9; power -= 9) this.times(1000000000);
    for (; power > 0; power--) this.times(10);
    return this;
  }

  shift(bits: i32): Big {
    const whole = bits >> 5;
    this.times(<u32>1 << (bits & 31));
    if (whole && this.words.length) {
      const zeros = new Array<u32>(whole).fill(0);
      this.words = zeros.concat(this.words);
    }
    return this;
  }

  bits(): i32 {
    const n = this.words.length;
    return n ? 32 * n - <i32>clz(this.words[n - 1]) : 0;
  }

  // -1, 0 or 1
  compare(other: Big): i32 {
    if (this.words.length != other.words.length) return this.words.length < other.words.length ? -1 : 1;
    for (let i = this.words.length - 1; i >= 0; i--) {
      const a = unchecked(this.words[i]), b = unchecked(other.words[i]);
      if (a != b) return a < b ? -1 : 1;
    }
    return 0;
  }

  plus(other: Big): Big {
    const sum = new Big();
    let carry: u64 = 0;
    for (let i = 0; i < max(this.words.length, other.words.length); i++) {
      if (i < this.words.length) carry += this.words[i];
      if (i < other.words.length) carry += other.words[i];
      sum.words.push(<u32>carry);
      carry >>= 32;
    }
    if (carry) sum.words.push(<u32>carry);
    return sum;
  }

  // this = this - other, which is not larger
  minus(other: Big): Big {
    let borrow: u64 = 0;
    for (let i = 0; i < this.words.length; i++) {
      const take = borrow + (i < other.words.length ? <u64>unchecked(other.words[i]) : 0);
      const have = <u64>unchecked(this.words[i]);
      borrow = have < take ? 1 : 0;
      unchecked(this.words[i] = <u32>(have - take));
    }
    return this.trim();
  }
}

// The fewest digits that read back as v, which is positive and finite, those that are
// nearest to it; and, before a space, the power of ten of the first. Of two that are as
// near it is the even one (Steele and White, with Dragon4's stops).
export function shortest(v: f64): string {
  const bits = reinterpret<u64>(v), low: u64 = bits & 0xfffffffffffff, raw = <i32>(bits >> 52);
  const mantissa = raw ? low | (<u64>1 << 52) : low, exponent = max(raw, 1) - 1075;
  const uneven = low == 0 && raw > 1, even = (mantissa & 1) == 0;
  // v = r / s; half the way to its neighbours is above / s and below / s
  const r = Big.of(mantissa).shift(max(exponent, 0) + 2), s = Big.of(4).shift(max(-exponent, 0));
  const above = Big.of(2).shift(max(exponent, 0)), below = Big.of(uneven ? 1 : 2).shift(max(exponent, 0));
  let e = <i32>Math.floor(Math.log10(v));
  if (v < 1e-307) e = <i32>Math.floor(Math.log10(v * 1e200)) - 200;
  if (e >= 0) s.timesTen(e);
  else { r.timesTen(-e); above.timesTen(-e); below.timesTen(-e); }
  while (r.compare(s) < 0) { r.times(10); above.times(10); below.times(10); e--; }
  for (let ten = s.copy().times(10); r.compare(ten) >= 0; ten = s.copy().times(10)) { s.times(10); e++; }
  let digits = "";
  for (;;) {
    let digit = 0;
    while (r.compare(s) >= 0) { r.minus(s); digit++; }
    const c = r.compare(below), d = r.plus(above).compare(s);
    const down = even ? c <= 0 : c < 0, up = even ? d >= 0 : d > 0;
    if (!down && !up) {
      digits += digit.toString();
      r.times(10);
      above.times(10);
      below.times(10);
      continue;
    }
    let more = up;
    if (down && up) {
      const half = r.copy().times(2).compare(s);
      more = half > 0 || (half == 0 && (digit & 1) == 1);
    }
    if (more) digit++;
    if (digit < 10) return e.toString() + " " + digits + digit.toString();
    return carried(digits, e); // the last digit was a nine
  }
}

// The digits, one more in the last place.
function carried(digits: string, e: i32): string {
  let n = digits.length;
  while (n > 0 && digits.charCodeAt(n - 1) == 57) n--;
  if (n == 0) return (e + 1).toString() + " 1";
  return e.toString() + " " + digits.substring(0, n - 1) + String.fromCharCode(digits.charCodeAt(n - 1) + 1);
}

// The float that is nearest to digits × 10^e.
export function nearest(digits: string, e: i32): f64 {
  const n = new Big(), d = Big.of(1);
  for (let i = 0; i < digits.length; i++) n.times(10, digits.charCodeAt(i) - 48);
  if (n.words.length == 0 || e + digits.length < -330) return 0;
  if (e + digits.length > 310) return Infinity;
  if (e >= 0) n.timesTen(e);
  else d.timesTen(-e);
  // the quotient n / d × 2^shift is to have 53 bits, or fewer where the number is tiny
  let shift = 53 - (n.bits() - d.bits());
  if (shift > 1074) shift = 1074;
  if (shift >= 0) n.shift(shift);
  else d.shift(-shift);
  let q: u64 = 0;
  for (let bit = 54; bit >= 0; bit--) {
    const part = d.copy().shift(bit);
    if (n.compare(part) < 0) continue;
    n.minus(part);
    q |= <u64>1 << bit;
  }
  let half = n.words.length == 0 ? -1 : n.copy().times(2).compare(d); // what is left, against a half
  if (q >> 53) { // one bit more than there is room for
    half = q & 1 ? (n.words.length == 0 ? 0 : 1) : -1;
    q >>= 1;
    shift--;
  }
  if (half > 0 || (half == 0 && q & 1)) q++;
  return scaled(q, shift);
}

// q × 2^-shift
function scaled(q: u64, shift: i32): f64 {
  let v = <f64>q;
  for (; shift > 1000; shift -= 500) v *= power(-500);
  for (; shift < -900; shift += 60) v *= power(60);
  return v * power(-shift);
}

// 2^n
function power(n: i32): f64 { return reinterpret<f64>(<u64>(n + 1023) << 52); }
