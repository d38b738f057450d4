//! Secrets for hashes.

/// A source of random bits that traffic cannot predict.
pub trait Entropy {
    /// A new secret, another one at each call and never all zeros. Called when a table is built, never for a packet. A port without a source of
    /// entropy takes one from its boot loader; a constant lets an attacker choose flows that
    /// collide.
    fn seed(&mut self) -> [u64; 2];
}
