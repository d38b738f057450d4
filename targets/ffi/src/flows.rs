//! A look at a core's flows; flows created and removed on request.

use dash_core::{
    flow::{Arrival, Install},
    pipeline::Pipeline,
    wire::{protocol::ip::TCP, tcp::TcpFlags},
};
use dash_hal::{Clock, Platform};

use crate::{
    flow::{dash_flow_key_t, dash_flow_t, dash_new_flow_t},
    foreign,
    handle::Place,
    hints::CoreHints,
    packet_core::{Core, dash_core_t},
    status::{Status, answer, dash_status_t},
};

/// Copies the next flows that live into `flows`, at most `count`, and says in `*found` how many.
/// `*cursor` is 0 for the first call; each call moves it on, and once `*found` is less than `count`
/// there are no more.
///
/// The walk may take as many calls as it likes, with bursts in between: flows that are there all
/// the while are seen once, others once or not at all. One call looks at as many places of the
/// table as it takes to find `count` flows, at most at all of them.
///
/// Threads: that of the core.
/// Errors: `DASH_NULL`, `DASH_MISALIGNED`, `DASH_BAD_HANDLE`, `DASH_REENTERED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dash_core_flows(
    core: *mut dash_core_t,
    cursor: *mut usize,
    flows: *mut dash_flow_t,
    count: usize,
    found: *mut usize,
) -> dash_status_t {
    let result = || {
        // SAFETY: the caller's promises of the header: a handle, and pointers to as many of the
        // stated types.
        let (core, mut at, places) = unsafe {
            foreign::write(found, 0)?;
            let core = Place::<Core>::enter(core.cast())?;
            (core, foreign::read(cursor)?, foreign::places(flows, count)?)
        };
        let table = core.engine.flows();
        let now = core.device.clock().now();
        let mut places = places.iter_mut();
        let mut copied = 0;
        while at < table.capacity() && copied < count {
            if let Some((key, flow)) = table.live_at(at, now) {
                let Some(place) = places.next() else { break };
                place.write(dash_flow_t::new(key, flow, &table.rewrite(flow)));
                copied += 1;
            }
            at += 1;
        }
        // SAFETY: as above.
        unsafe {
            foreign::write(cursor, at)?;
            foreign::write(found, copied)
        }
    };
    answer(result())
}

/// Creates a conversation: the flow `flow`, and `answers` of its answers, which is removed with it;
/// both or none. `answers` may be NULL: then `flow` lives alone. Flows that have one of their keys go.
///
/// They are like flows that policy made: a frame that hits one asks no policy, until the policy of the
/// ENI changes; then the next frame of `flow` does. A TCP conversation counts as open.
///
/// Threads: that of the core.
/// Errors: `DASH_NULL`, `DASH_MISALIGNED`, `DASH_BAD_VALUE` (a key, or no ENI of its VNET has its MAC
/// address; both keys are one, or of two ENIs; `changes`; outer addresses, or their versions, which
/// must be the same), `DASH_VNI_TOO_LARGE`, `DASH_FULL` (no place, or more flows than the ENI may have),
/// `DASH_BAD_HANDLE`, `DASH_REENTERED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dash_core_create_flow(
    core: *mut dash_core_t,
    flow: *const dash_new_flow_t,
    answers: *const dash_new_flow_t,
) -> dash_status_t {
    let result = || {
        // SAFETY: the caller's promises of the header: a handle, and pointers to the stated type, or
        // NULL for none.
        let (mut core, flow, answers) = unsafe {
            let answers = if answers.is_null() { None } else { Some(foreign::read(answers)?) };
            (Place::<Core>::enter(core.cast())?, foreign::read(flow)?, answers)
        };
        let Core { engine, device, .. } = &mut *core;
        let (flow, owner) = flow.compile(engine.pipeline())?;
        let tcp = (flow.key.protocol() == TCP).then(TcpFlags::empty);
        let (install, count) = match answers {
            None => (Install::One(flow), 1),
            Some(answers) => {
                let (answers, other) = answers.compile(engine.pipeline())?;
                if answers.key == flow.key || other.context.eni != owner.context.eni {
                    return Err(Status::DASH_BAD_VALUE);
                }
                (Install::Pair(flow, answers), 2)
            }
        };
        if !engine.pipeline().admits(&owner.context, count) {
            return Err(Status::DASH_FULL);
        }
        let request = Arrival { epoch: owner.epoch, now: device.clock().now(), bytes: 0, tcp };
        let created = engine.install(&install, &request, &CoreHints);
        created.map(|_| ()).map_err(|_| Status::DASH_FULL)
    };
    answer(result())
}

/// Removes the flow of `key` and that of the other direction, if they are there: their next frame
/// asks policy.
///
/// Threads: that of the core.
/// Errors: `DASH_NULL`, `DASH_MISALIGNED`, `DASH_BAD_VALUE` (`direction`, the addresses, or their
/// versions, which must be the same), `DASH_BAD_HANDLE`, `DASH_REENTERED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dash_core_remove_flow(
    core: *mut dash_core_t,
    key: *const dash_flow_key_t,
) -> dash_status_t {
    let result = || {
        // SAFETY: the caller's promises of the header: a handle, and a pointer to the stated type.
        let (mut core, key) = unsafe { (Place::<Core>::enter(core.cast())?, foreign::read(key)?) };
        let Core { engine, device, .. } = &mut *core;
        if let Some(handle) = engine.flows().find(&key.try_into()?, &CoreHints) {
            engine.remove(handle, device.clock().now(), &CoreHints);
        }
        Ok(())
    };
    answer(result())
}
