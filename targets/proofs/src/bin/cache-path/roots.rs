//! Where firmware enters the library. All that a root looks at comes through pointers.

use dash_core::pipeline::{
    efsm,
    flow_cache::{Refused, Settings, Vtep, Vteps},
};
use dash_hal::{Burst, PacketBuffer, Platform};
use dash_proofs::{Buffer, CacheEngine, CacheStorage, EfsmEngine, Port};

/// One burst: hit, miss, learning, installation, every drop, and sending.
#[unsafe(no_mangle)]
extern "C" fn process_burst(
    cache: &mut CacheEngine,
    efsm: &mut EfsmEngine,
    burst: &mut Burst<Buffer>,
    now: u64,
    port: &mut Port,
) {
    cache.process(burst, now, port, &mut ());
    cache.flush(port);
    efsm.process(burst, now, port, &mut ());
    efsm.flush(port);
}

/// A controller's frame, let in at a stage of its choice.
#[unsafe(no_mangle)]
extern "C" fn submit(
    cache: &mut CacheEngine,
    efsm: &mut EfsmEngine,
    frame: Buffer,
    other: Buffer,
    entry: u8,
    now: u64,
    port: &mut Port,
) {
    let ingress = frame.metadata().port;
    cache.submit(frame, ingress, entry, now, port, &mut ());
    efsm.submit(other, ingress, entry, now, port, &mut ());
}

/// Ageing.
#[unsafe(no_mangle)]
extern "C" fn tick(
    cache: &mut CacheEngine,
    efsm: &mut EfsmEngine,
    now: u64,
    budget: usize,
    port: &Port,
) {
    cache.tick(now, budget, &port.hints());
    efsm.tick(now, budget, &port.hints());
}

/// A control update: other end points, another program.
#[unsafe(no_mangle)]
extern "C" fn apply(
    cache: &mut CacheEngine,
    efsm: &mut EfsmEngine,
    settings: &Settings,
    spare: &mut Vteps<'static>,
    entries: &&[Vtep],
    program: &efsm::Program<'static>,
    port: &Port,
    refused: &mut (Result<(), Refused>, Result<(), efsm::Refused>),
) {
    refused.0 = spare.fill(entries, &port.hints());
    if refused.0.is_ok() {
        cache.pipeline_mut().configure(*settings, spare);
    }
    refused.1 = efsm.pipeline_mut().configure(*program);
}

/// The tables' memory, so that the image has it.
#[unsafe(no_mangle)]
extern "C" fn storage(storage: &mut Option<CacheStorage>) {
    *storage = CacheStorage::take();
}
