//! What the program asks of a service, and why a service says no.

use dash_core::pipeline::vnet::policy::Rejected;
use dash_protocol::{Answer, Hello, Refusal, Request, Start};

use crate::{event::Event, machine::Machine, platform::FirmwarePlatform};

/// What the program runs: an engine over the data ports, from the start to the stop.
pub(crate) trait Service<M: Machine>: Sized {
    /// What the image is made for.
    const HELLO: Hello;

    /// An engine with the image's configuration. Called once.
    ///
    /// # Errors
    /// Something does not fit the memory, or the configuration is rejected.
    fn begin(start: &Start, platform: FirmwarePlatform<M>) -> Result<Self, Denial>;

    /// Takes what has come in at each port, at most a burst, to its end.
    fn step(&mut self);

    /// Carries out a request between two bursts. What is about the program is not the service's.
    fn handle(&mut self, request: &Request<'_>) -> Answer;

    /// Sends what waits; answers whether all of it has left the machine.
    fn drain(&mut self) -> bool;

    /// Tells `log` what was counted.
    fn tell(&self, log: fn(Event));
}

/// Why a request was not carried out.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Denial {
    /// By the program.
    Refused(Refusal),
    /// By the policy.
    Rejected(Rejected),
}

impl From<Denial> for Answer {
    fn from(denial: Denial) -> Self {
        match denial {
            Denial::Refused(refusal) => Self::Refused(refusal),
            Denial::Rejected(rejected) => rejected.into(),
        }
    }
}
