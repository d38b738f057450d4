//! Where firmware enters the library. All that a root looks at comes through pointers.

use dash_core::pipeline::chain::policy::{Configuration, PolicyError, PolicyWriter};
use dash_hal::{Burst, PacketBuffer, Platform};
use dash_proofs::{Buffer, ChainEngine, ChainStorage, Port};

/// One burst: hit, miss, installation, re-entry, copies, every drop, and sending.
#[unsafe(no_mangle)]
extern "C" fn process_burst(
    engine: &mut ChainEngine,
    burst: &mut Burst<Buffer>,
    now: u64,
    port: &mut Port,
) {
    engine.process(burst, now, port, &mut ());
    engine.flush(port);
}

/// A controller's frame, let in at a stage of its choice.
#[unsafe(no_mangle)]
extern "C" fn submit(
    engine: &mut ChainEngine,
    frame: Buffer,
    entry: u8,
    now: u64,
    port: &mut Port,
) {
    let ingress = frame.metadata().port;
    engine.submit(frame, ingress, entry, now, port, &mut ());
}

/// Ageing.
#[unsafe(no_mangle)]
extern "C" fn tick(engine: &mut ChainEngine, now: u64, budget: usize, port: &Port) {
    engine.tick(now, budget, &port.hints());
}

/// A control update: a pair's health, then another configuration.
#[unsafe(no_mangle)]
extern "C" fn apply(
    policy: &mut PolicyWriter<'static>,
    pair: u16,
    up: bool,
    configuration: &Configuration<'_>,
    result: &mut Result<(), PolicyError>,
) {
    policy.set_pair_up(pair, up);
    *result = policy.replace(configuration);
}

/// The tables' memory, so that the image has it.
#[unsafe(no_mangle)]
extern "C" fn storage(storage: &mut Option<ChainStorage>) {
    *storage = ChainStorage::take();
}
