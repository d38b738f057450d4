//! What differs between the machines that the program runs on.

use dash_hal::Hints;

/// The register windows of a machine's virtio-mmio devices, one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Windows {
    /// Address of the first.
    pub base: usize,
    /// Bytes of each.
    pub size: usize,
    /// How many there are; those without a device say so.
    pub count: usize,
}

/// A machine with one core that runs the program.
///
/// # Safety
/// - `WINDOWS` names mapped, device-type memory that only virtio-mmio devices answer to, and that
///   nothing but this program uses.
/// - A static's address is the address at which devices see it, and they see each store once a
///   fence has passed, as the core sees theirs.
pub unsafe trait Machine: 'static {
    /// Its virtio-mmio devices.
    const WINDOWS: Windows;

    /// What its core does faster than software.
    type Hints: Hints + Copy + Default;

    /// Nanoseconds since an arbitrary start; it never steps back.
    fn now() -> u64;
}

/// Nanoseconds of `ticks` of a counter of `frequency` Hz. It is exact, and wraps only when the
/// result does.
#[must_use]
pub const fn nanoseconds(ticks: u64, frequency: u64) -> u64 {
    const SECOND: u64 = 1_000_000_000;
    let whole = ticks / frequency;
    let rest = ticks % frequency;
    whole.wrapping_mul(SECOND).wrapping_add(rest * SECOND / frequency)
}

#[cfg(test)]
mod tests {
    use super::nanoseconds;

    #[test]
    fn ticks_become_nanoseconds_without_overflow() {
        assert_eq!(nanoseconds(0, 62_500_000), 0);
        assert_eq!(nanoseconds(1, 62_500_000), 16);
        assert_eq!(nanoseconds(62_500_001, 62_500_000), 1_000_000_016);
        assert_eq!(nanoseconds(1, 3), 333_333_333);
        // 500 years of a counter of 1 GHz; the product of ticks and 10^9 would have wrapped.
        let years = 500 * 365 * 24 * 3600 * 1_000_000_000_u64;
        assert_eq!(nanoseconds(years, 1_000_000_000), years);
        // Each step of the counter is a step of the clock.
        let last = (1..=200_000).fold(0, |before, ticks| {
            let now = nanoseconds(ticks, 24_000_001);
            assert!(now > before);
            now
        });
        assert_eq!(last, 8_333_332);
    }
}
