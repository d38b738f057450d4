//! The cases, in the order in which they build on each other.

use core::hint::black_box;

use dash_core::{pipeline::vnet::DropReason, wire::ParseError};
use dash_hal::{BURST, Burst};
use dash_proofs::{Buffer, ChainCore, ChainStorage, ENIS, Hop, Kind, PacketCore, Storage};

use crate::arch::instructions;

const NOW: u64 = 1_000_000_000;

/// Prints `case instructions` for each; answers the exit code.
pub(crate) fn run() -> i32 {
    let vnet = Storage::take().map(PacketCore::new);
    let chains = ChainStorage::take().map(ChainCore::new);
    let (Some(Ok(mut vnet)), Some(Ok(mut chains))) = (vnet, chains) else {
        semihosting::eprintln!("the tables refuse the policy");
        return 1;
    };
    i32::from(!vnet_to_vnet(&mut vnet) || !service_chains(&mut chains))
}

fn vnet_to_vnet(core: &mut PacketCore) -> bool {
    let frames = BURST as u64;
    let checks = [
        case(core, "install", (Kind::Forwarded, ENIS), |core, sent| {
            sent == BURST && core.engine.flows().len() == 2 * BURST
        }),
        case(core, "hot_flow", (Kind::Forwarded, ENIS), |core, sent| {
            sent == BURST && core.engine.flows().counters().created == 2 * frames
        }),
        prepare(core, (Kind::Forwarded, 1)),
        case(core, "hot_flow_one_eni", (Kind::Forwarded, 1), |core, sent| {
            // Frame 0 is of the first ENI either way.
            sent == BURST && core.engine.flows().counters().created == 4 * frames - 2
        }),
        case(core, "acl_drop", (Kind::Denied, ENIS), |core, sent| {
            sent == 0 && core.drops(DropReason::AclOut1) == frames
        }),
        case(core, "malformed", (Kind::Malformed, ENIS), |core, sent| {
            sent == 0 && core.drops(DropReason::Parse(ParseError::UdpLength)) == frames
        }),
    ];
    !checks.contains(&false)
}

fn service_chains(core: &mut ChainCore) -> bool {
    let flows = |core: &ChainCore| core.engine.flows().len() / BURST;
    let checks = [
        case(core, "chain_install", Hop::Middle, |core, sent| sent == BURST && flows(core) == 1),
        case(core, "chain_hop", Hop::Middle, |core, sent| sent == BURST && flows(core) == 1),
        prepare(core, Hop::Home),
        case(core, "chain_home", Hop::Home, |core, sent| sent == BURST && flows(core) == 3),
        prepare(core, Hop::Remote),
        case(core, "chain_remote", Hop::Remote, |core, sent| sent == BURST && flows(core) == 4),
    ];
    !checks.contains(&false)
}

/// A core that is measured.
trait Core {
    /// What a burst is for.
    type Kind;

    /// A full burst.
    fn receive(&mut self, kind: Self::Kind) -> Burst<Buffer>;

    /// Processes it, and sends what is to leave.
    fn process(&mut self, burst: &mut Burst<Buffer>, now: u64);

    /// How many frames were sent.
    fn reclaim(&mut self) -> usize;
}

impl Core for PacketCore {
    type Kind = (Kind, u8);

    fn receive(&mut self, (kind, enis): (Kind, u8)) -> Burst<Buffer> {
        Self::receive(self, kind, enis)
    }

    #[inline]
    fn process(&mut self, burst: &mut Burst<Buffer>, now: u64) {
        self.engine.process(burst, now, &mut self.port, &mut ());
        self.engine.flush(&mut self.port);
    }

    fn reclaim(&mut self) -> usize {
        self.port.reclaim()
    }
}

impl Core for ChainCore {
    type Kind = Hop;

    fn receive(&mut self, hop: Hop) -> Burst<Buffer> {
        Self::receive(self, hop)
    }

    #[inline]
    fn process(&mut self, burst: &mut Burst<Buffer>, now: u64) {
        self.engine.process(burst, now, &mut self.port, &mut ());
        self.engine.flush(&mut self.port);
    }

    fn reclaim(&mut self) -> usize {
        self.port.reclaim()
    }
}

/// Measures one burst, prints it, and answers whether `check` finds that its frames went where
/// the case says.
fn case<C: Core>(
    core: &mut C,
    name: &str,
    kind: C::Kind,
    check: impl Fn(&C, usize) -> bool,
) -> bool {
    let mut burst = core.receive(kind);
    let start = instructions();
    let clock = instructions() - start;
    let start = instructions();
    process(core, &mut burst, black_box(NOW));
    let count = instructions() - start - clock;
    let sent = core.reclaim();
    let right = check(core, sent);
    if right {
        semihosting::println!("{name} {count}");
    } else {
        semihosting::eprintln!("{name}: {sent} frames sent, and not as the case says");
    }
    right
}

/// Sends one burst that is not measured.
fn prepare<C: Core>(core: &mut C, kind: C::Kind) -> bool {
    let mut burst = core.receive(kind);
    process(core, &mut burst, NOW);
    core.reclaim() == BURST
}

/// What is measured.
#[inline(never)]
fn process<C: Core>(core: &mut C, burst: &mut Burst<Buffer>, now: u64) {
    core.process(burst, now);
}
