//! Where firmware enters the library. All that a root looks at comes through pointers.

use dash_core::pipeline::vnet::policy::{Change, PolicyWriter, Rejected};
use dash_hal::{Burst, PacketBuffer, Platform};
use dash_proofs::{Buffer, Engine, Port, Storage};

/// One burst: hit, miss, installation, every drop, and sending.
#[unsafe(no_mangle)]
extern "C" fn process_burst(
    engine: &mut Engine,
    burst: &mut Burst<Buffer>,
    now: u64,
    port: &mut Port,
) {
    engine.process(burst, now, port, &mut ());
    engine.flush(port);
}

/// A controller's frame, let in at a stage of its choice.
#[unsafe(no_mangle)]
extern "C" fn submit(engine: &mut Engine, frame: Buffer, entry: u8, now: u64, port: &mut Port) {
    let ingress = frame.metadata().port;
    engine.submit(frame, ingress, entry, now, port, &mut ());
}

/// Ageing.
#[unsafe(no_mangle)]
extern "C" fn tick(engine: &mut Engine, now: u64, budget: usize, port: &Port) {
    engine.tick(now, budget, &port.hints());
}

/// A control update.
#[unsafe(no_mangle)]
extern "C" fn apply(
    policy: &mut PolicyWriter<'static>,
    changes: &&[Change<'_>],
    result: &mut Result<(), Rejected>,
) {
    *result = policy.apply(changes.iter().copied());
}

/// The tables' memory, so that the image has it.
#[unsafe(no_mangle)]
extern "C" fn storage(storage: &mut Option<Storage>) {
    *storage = Storage::take();
}
