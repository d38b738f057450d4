//! Seeds from a secret of the boot loader.

use dash_hal::Entropy;

/// The secret, and how many seeds were drawn from it. A device that has a source of random bits
/// reads that instead. Seeds never leave the core, so the expansion need not be one-way.
#[derive(Clone)]
pub struct BootSecret {
    secret: [u64; 2],
    drawn: u64,
}

impl BootSecret {
    /// Keeps `secret`: 128 bits that differ from boot to boot.
    #[must_use]
    pub const fn new(secret: [u64; 2]) -> Self {
        Self { secret, drawn: 0 }
    }
}

impl core::fmt::Debug for BootSecret {
    /// Names the type and keeps the secret.
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.write_str("BootSecret(..)")
    }
}

impl Entropy for BootSecret {
    fn seed(&mut self) -> [u64; 2] {
        self.drawn += 1;
        // splitmix64 (Steele and others, OOPSLA 2014): different counts give different words.
        let step = self.drawn.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.secret.map(|word| mix(word.wrapping_add(step)))
    }
}

const fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
