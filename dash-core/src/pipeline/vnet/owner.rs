//! What a flow has of its ENI, for whoever creates flows from outside. DASH flow API.
//!
//! Such a flow is like one that policy made: it leaves as the underlay routes say, counts for its
//! ENI, and is evaluated when policy of the ENI changes.

use super::{Context, FlowKey, FlowState, Vnet, encap::Sender};
use crate::rewrite::Tunnel;

/// What a flow has of its ENI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowOwner {
    /// Whose it is.
    pub context: Context,
    /// The epoch of the ENI's policy.
    pub epoch: u32,
    /// What it begins with.
    pub state: FlowState,
    /// What all tunnels of the ENI share; endpoints and VNI are to be set.
    pub tunnel: Tunnel,
}

impl Vnet<'_> {
    /// The owner of flows under `key`; `None`: no ENI of its VNET has its MAC address, or it has no
    /// appliance.
    #[must_use]
    pub fn owner(&self, key: &FlowKey) -> Option<FlowOwner> {
        let entry = self.policy.eni_by_mac(key.eni()).filter(|entry| entry.vnet == key.vnet())?;
        let appliance = self.policy.appliance(self.policy.eni_record(entry.id)?.appliance())?;
        let sender = Sender::new(Some(&appliance), appliance.sip.into());
        Some(FlowOwner {
            context: Context { eni: entry.id, direction: key.direction(), fragment: false },
            epoch: self.policy.epoch(entry.id),
            state: FlowState::of(entry.id),
            tunnel: sender.tunnel(),
        })
    }
}
