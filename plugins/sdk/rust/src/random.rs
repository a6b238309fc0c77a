/// Random numbers that follow from the job's seed alone, the same in every language:
/// PCG-DXSM, as docs/abi.md gives it.
#[derive(Debug, Clone)]
pub struct Random {
    state: u128,
}

impl Random {
    /// A generator of a seed. [`crate::Call::random`] has the job's.
    pub fn new(seed: u64) -> Random {
        Random { state: (seed as u128) << 64 }
    }

    /// The next 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.state = self
            .state
            .wrapping_mul(47026247687942121848144207491837523525)
            .wrapping_add(117397592171526113268558934119004209487);
        let (mut high, low) = ((self.state >> 64) as u64, self.state as u64);
        high ^= high >> 32;
        high = high.wrapping_mul(0xda942042e4dd58b5);
        high ^= high >> 48;
        high.wrapping_mul(low | 1)
    }

    /// A number from 0 to 1, without 1.
    pub fn float(&mut self) -> f64 {
        (self.bits() << 11 >> 11) as f64 / 9007199254740992.0
    }

    /// A whole number from 0 to n, without n, which must not be 0.
    pub fn below(&mut self, n: u64) -> u64 {
        assert!(n > 0, "below(0)");
        if n & (n - 1) == 0 {
            return self.bits() & (n - 1);
        }
        let mut product = self.bits() as u128 * n as u128;
        if (product as u64) < n {
            let least = n.wrapping_neg() % n;
            while (product as u64) < least {
                product = self.bits() as u128 * n as u128;
            }
        }
        (product >> 64) as u64
    }
}
