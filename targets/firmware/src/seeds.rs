//! Secrets for hashes: drawn from a virtio entropy device, or given for a run that repeats.

use dash_hal::Entropy;
use virtio_drivers::{Error, device::rng::VirtIORng, transport::mmio::MmioTransport};

use crate::memory::QueueMemory;

/// A source of seeds that all follow from one secret of 128 bits.
#[derive(Clone, Copy)]
pub struct Seeds {
    secret: [u64; 2],
}

impl Seeds {
    /// Seeds that repeat in each run.
    pub(crate) const fn fixed(secret: [u64; 2]) -> Self {
        Self { secret }
    }

    /// Draws the secret from a device, which is then let go.
    ///
    /// # Errors
    /// It is no entropy device, or gave fewer bytes than it was asked for.
    pub(crate) fn draw(transport: MmioTransport<'static>) -> Result<Self, Error> {
        let mut device = VirtIORng::<QueueMemory, _>::new(transport)?;
        let mut secret = [0; 2];
        for word in &mut secret {
            let mut bytes = [0; 8];
            if device.request_entropy(&mut bytes)? != bytes.len() {
                return Err(Error::IoError);
            }
            *word = u64::from_le_bytes(bytes);
        }
        Ok(Self { secret })
    }
}

impl Entropy for Seeds {
    /// The next seed. A seed is expanded by a mixing function before it is used, so that those of
    /// two tables may differ in a counter only.
    fn seed(&mut self) -> [u64; 2] {
        self.secret[0] = self.secret[0].wrapping_add(1);
        self.secret
    }
}
