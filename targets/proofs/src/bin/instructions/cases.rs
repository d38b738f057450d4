//! The cases, in the order in which they build on each other.

use core::hint::black_box;

use dash_core::{pipeline::vnet::DropReason, wire::ParseError};
use dash_hal::{BURST, Burst};
use dash_proofs::{Buffer, ENIS, Kind, PacketCore, Storage};

use crate::arch::instructions;

const NOW: u64 = 1_000_000_000;

/// Prints `case instructions` for each; answers the exit code.
pub(crate) fn run() -> i32 {
    let Some(Ok(mut core)) = Storage::take().map(PacketCore::new) else {
        semihosting::eprintln!("the tables refuse the policy");
        return 1;
    };
    let frames = BURST as u64;
    let checks = [
        case(&mut core, "install", Kind::Forwarded, ENIS, |core, sent| {
            sent == BURST && core.engine.flows().len() == 2 * BURST
        }),
        case(&mut core, "hot_flow", Kind::Forwarded, ENIS, |core, sent| {
            sent == BURST && core.engine.flows().counters().created == 2 * frames
        }),
        prepare(&mut core, Kind::Forwarded, 1),
        case(&mut core, "hot_flow_one_eni", Kind::Forwarded, 1, |core, sent| {
            // Frame 0 is of the first ENI either way.
            sent == BURST && core.engine.flows().counters().created == 4 * frames - 2
        }),
        case(&mut core, "acl_drop", Kind::Denied, ENIS, |core, sent| {
            sent == 0 && core.drops(DropReason::AclOut1) == frames
        }),
        case(&mut core, "malformed", Kind::Malformed, ENIS, |core, sent| {
            sent == 0 && core.drops(DropReason::Parse(ParseError::UdpLength)) == frames
        }),
    ];
    i32::from(checks.contains(&false))
}

/// Measures one burst, prints it, and answers whether `check` finds that its frames went where
/// the case says.
fn case(
    core: &mut PacketCore,
    name: &str,
    kind: Kind,
    enis: u8,
    check: impl Fn(&PacketCore, usize) -> bool,
) -> bool {
    let mut burst = core.receive(kind, enis);
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
fn prepare(core: &mut PacketCore, kind: Kind, enis: u8) -> bool {
    let mut burst = core.receive(kind, enis);
    process(core, &mut burst, NOW);
    core.reclaim() == BURST
}

/// What is measured.
#[inline(never)]
fn process(core: &mut PacketCore, burst: &mut Burst<Buffer>, now: u64) {
    core.engine.process(burst, now, &mut core.port, &mut ());
    core.engine.flush(&mut core.port);
}
