//! The caller's callbacks as a port.

use core::{
    cell::Cell,
    ffi::{c_int, c_void},
};

use dash_hal::{Burst, Clock, Entropy, Platform, Pool, PortId, Ports};

use crate::{
    frame::{FrameBuffer, dash_frame_t},
    hints::CoreHints,
    offload::dash_flow_offload_t,
    removed::dash_removed_flow_t,
    status::Status,
};

/// What a core asks of the caller. A callback must not call the library with the handle of the
/// core that calls it (`DASH_REENTERED`), and must return: neither `longjmp` nor a C++ exception
/// may leave it.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub struct dash_callbacks_t {
    /// Handed to each callback.
    pub user: *mut c_void,
    /// Nanoseconds since an arbitrary start, monotonic: the time holds where it would step back.
    /// Called once a burst.
    pub now: Option<unsafe extern "C" fn(user: *mut c_void) -> u64>,
    /// Sends a frame by `port`. It is complete: checksums included, FCS not.
    ///
    /// Answers 0 when it took the frame, which is then the caller's again (and the device's until
    /// it was read). Anything else says that the ring is full: the library keeps the frame, and
    /// those behind it for that port, and offers it again in a later call. What can never leave
    /// (`port` unknown or down) is to be taken, and counted by the caller.
    pub send: Option<
        unsafe extern "C" fn(user: *mut c_void, port: u16, frame: *mut dash_frame_t) -> c_int,
    >,
    /// Takes back a frame that was dropped.
    pub release: Option<unsafe extern "C" fn(user: *mut c_void, frame: *mut dash_frame_t)>,
    /// Tells of a flow that was removed; may be NULL. Called by whatever call removes it, so it is
    /// to be as fast as `send`. Answers 0 when it took it down, and anything else when it has no
    /// place: the library does not tell again, but counts in `dash_flow_counters_t.untold`. `flow`
    /// is to be copied.
    pub flow_removed:
        Option<unsafe extern "C" fn(user: *mut c_void, flow: *const dash_removed_flow_t) -> c_int>,
    /// Hardware that forwards flows, if there is any.
    pub offload: dash_flow_offload_t,
}

type SendCallback = unsafe extern "C" fn(*mut c_void, u16, *mut dash_frame_t) -> c_int;
type ReleaseCallback = unsafe extern "C" fn(*mut c_void, *mut dash_frame_t);
type NowCallback = unsafe extern "C" fn(*mut c_void) -> u64;

/// The caller as a port.
pub(crate) struct Device {
    user: *mut c_void,
    send: SendCallback,
    release: ReleaseCallback,
    clock: CallbackClock,
    seed: Seed,
    mtu: *const u16,
    ports: usize,
    /// Nothing is sent any more.
    closed: bool,
}

/// The caller's clock.
pub(crate) struct CallbackClock {
    user: *mut c_void,
    now: NowCallback,
    last: Cell<u64>,
}

/// The caller's secret.
pub(crate) struct Seed([u64; 2]);

impl Device {
    /// # Safety
    /// The callbacks are functions of their types, good to call with `user` for as long as this
    /// lives; `mtu` points at `ports` numbers for as long.
    pub(crate) unsafe fn new(
        callbacks: &dash_callbacks_t,
        seed: [u64; 2],
        mtu: *const u16,
        ports: usize,
    ) -> Result<Self, Status> {
        let user = callbacks.user;
        Ok(Self {
            user,
            send: callbacks.send.ok_or(Status::DASH_NULL)?,
            release: callbacks.release.ok_or(Status::DASH_NULL)?,
            clock: CallbackClock {
                user,
                now: callbacks.now.ok_or(Status::DASH_NULL)?,
                last: Cell::new(0),
            },
            seed: Seed(seed),
            mtu,
            ports,
            closed: false,
        })
    }

    /// From now on frames that would be sent are given back as dropped.
    pub(crate) const fn close(&mut self) {
        self.closed = true;
    }
}

impl Clock for CallbackClock {
    fn now(&self) -> u64 {
        // SAFETY: the promise of `Device::new`.
        let now = unsafe { (self.now)(self.user) }.max(self.last.get());
        self.last.set(now);
        now
    }
}

impl Entropy for Seed {
    fn seed(&mut self) -> [u64; 2] {
        self.0
    }
}

impl Ports for Device {
    /// Frames are handed in by calls; none waits here.
    fn receive(&mut self, _: PortId, _: &mut Burst<FrameBuffer>, _: usize) -> usize {
        0
    }

    fn transmit(&mut self, port: PortId, burst: &mut Burst<FrameBuffer>) -> usize {
        let mut sent = 0;
        while let Some(buffer) = burst.front() {
            if self.closed {
                // SAFETY: the promise of `Device::new`.
                unsafe { (self.release)(self.user, buffer.give_back()) };
            // SAFETY: the promise of `Device::new`.
            } else if unsafe { (self.send)(self.user, port.0, buffer.give_back()) } != 0 {
                buffer.hold();
                break;
            }
            burst.pop();
            sent += 1;
        }
        sent
    }

    fn mtu(&self, port: PortId) -> u16 {
        if usize::from(port.0) >= self.ports {
            // `send` sees it and knows better.
            return u16::MAX;
        }
        // SAFETY: in bounds; the promise of `Device::new`.
        unsafe { self.mtu.add(port.0.into()).read() }
    }
}

impl Pool for Device {
    type Buffer = FrameBuffer;

    fn recycle(&mut self, buffer: FrameBuffer) {
        // SAFETY: the promise of `Device::new`.
        unsafe { (self.release)(self.user, buffer.give_back()) };
    }

    /// Frames are the caller's: there is none to copy into.
    fn copy(&mut self, _: &FrameBuffer) -> Option<FrameBuffer> {
        None
    }

    fn empty(&mut self) -> Option<FrameBuffer> {
        None
    }
}

impl Platform for Device {
    type Clock = CallbackClock;
    type Entropy = Seed;
    type Hints = CoreHints;

    fn clock(&self) -> &CallbackClock {
        &self.clock
    }

    fn entropy(&mut self) -> &mut Seed {
        &mut self.seed
    }

    fn hints(&self) -> CoreHints {
        CoreHints
    }
}
