//! Where firmware enters the library. All that a root looks at comes through pointers.

use dash_core::{
    engine::Engine,
    pipeline::router::{
        DropReason, Router,
        control::{ControlError, FlowSpec},
        policy::{Configuration, PolicyError, PolicyWriter},
    },
};
use dash_hal::{Burst, PacketBuffer, Platform};
use dash_proofs::{Buffer, Port};

type RouterEngine = Engine<'static, Router<'static>, Buffer>;

/// One burst: hit, miss, installation, answers, copies, punts, every drop, and sending.
#[unsafe(no_mangle)]
extern "C" fn process_burst(
    engine: &mut RouterEngine,
    burst: &mut Burst<Buffer>,
    now: u64,
    port: &mut Port,
) {
    engine.process(burst, now, port, &mut ());
    engine.flush(port);
}

/// A frame that enters again.
#[unsafe(no_mangle)]
extern "C" fn submit(engine: &mut RouterEngine, frame: Buffer, now: u64, port: &mut Port) {
    let ingress = frame.metadata().port;
    engine.submit(frame, ingress, 0, now, port, &mut ());
}

/// Ageing.
#[unsafe(no_mangle)]
extern "C" fn tick(engine: &mut RouterEngine, now: u64, budget: usize, port: &mut Port) {
    engine.tick(now, budget, &port.hints());
    engine.expire_punts(now, port, &mut ());
}

/// A control update: another configuration; and all that a controller asks for, with what its
/// frames and those that waited meet.
#[unsafe(no_mangle)]
extern "C" fn apply(
    policy: &mut PolicyWriter<'static>,
    configuration: &Configuration<'_>,
    result: &mut Result<(), PolicyError>,
    engine: &mut RouterEngine,
    out: Buffer,
    spec: &FlowSpec,
    request: u64,
    now: u64,
    port: &mut Port,
    results: &mut [Result<(), ControlError>; 5],
) {
    *result = policy.replace(configuration);
    let [add, modify, delete, release, sent] = results;
    *add = engine.add_flow(spec, now, &port.hints());
    *modify = engine.modify_flow(spec, now, &port.hints());
    *delete = engine.delete_flow(&spec.matches, now, &port.hints());
    engine.delete_flows(spec.cookie, request, now, &port.hints());
    engine.delete_flows_of(spec.matches.in_port, now, &port.hints());
    let asked = engine.next_request().map(|punt| punt.request);
    *release = engine.release(asked.unwrap_or(request), spec, now, port, &mut ()).map(|_| ());
    engine.refuse(request, DropReason::NoHost, now, port, &mut ());
    let from = (spec.matches.in_port, &spec.actions);
    *sent = engine.packet_out(out, from, now, port, &mut ());
}
