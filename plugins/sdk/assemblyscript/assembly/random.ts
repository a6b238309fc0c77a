// Random numbers that follow from the job's seed alone, the same in every language:
// PCG-DXSM, as docs/abi.md gives it.
export class Random {
  private high: u64;
  private low: u64 = 0;
  constructor(seed: u64) { this.high = seed; }

  // The next 64 random bits.
  bits(): u64 {
    const timesHigh: u64 = 2549297995355413924, timesLow: u64 = 4865540595714422341;
    const low = this.low * timesLow;
    let high = upper(this.low, timesLow) + this.high * timesLow + this.low * timesHigh;
    this.low = low + 1442695040888963407;
    this.high = high = high + 6364136223846793005 + (this.low < low ? 1 : 0);
    high ^= high >> 32;
    high *= 0xda942042e4dd58b5;
    high ^= high >> 48;
    return high * (this.low | 1);
  }

  // A number from 0 to 1, without 1.
  float(): f64 { return <f64>(this.bits() << 11 >> 11) / 9007199254740992; }

  // A whole number from 0 to n, without n, which must not be 0.
  below(n: u64): u64 {
    assert(n > 0, "below(0)");
    if ((n & (n - 1)) == 0) return this.bits() & (n - 1);
    let bits = this.bits();
    if (bits * n < n) {
      const least = (0 - n) % n;
      while (bits * n < least) bits = this.bits();
    }
    return upper(bits, n);
  }
}

// The upper half of a product.
function upper(a: u64, b: u64): u64 {
  const a0 = a & 0xffffffff, a1 = a >> 32, b0 = b & 0xffffffff, b1 = b >> 32;
  const middle = a1 * b0 + (a0 * b0 >> 32), other = a0 * b1 + (middle & 0xffffffff);
  return a1 * b1 + (middle >> 32) + (other >> 32);
}
