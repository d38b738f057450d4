//! The last answers of the small tables that each frame asks: VIP, direction, ENI.
//!
//! One core's own, 2 KiB; a frame that finds its answers here asks no shared table. It is emptied
//! before a burst when the policy's [version](Policy::version) has changed, so a change takes
//! effect with the next burst.

use smoltcp::wire::IpAddress;

use super::{
    direction,
    key::{Mac, Owner},
    policy::{Direction, DirectionEntry, EniEntry, Policy},
};

/// A VNI as it lies in a frame, the 8 bits behind it zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Vni(u32);

impl Vni {
    /// From the last word of a VXLAN header.
    #[inline]
    pub(super) const fn from_word(word: u32) -> Self {
        Self(word & 0xffff_ff00_u32.to_be())
    }

    /// By its lowest bits.
    #[inline]
    const fn place(self) -> usize {
        (self.0.to_le() >> 16) as usize % VNIS
    }
}

impl From<u32> for Vni {
    fn from(vni: u32) -> Self {
        Self((vni << 8).to_be())
    }
}

/// VNIs that are remembered, each with a VIP.
const VNIS: usize = 8;
/// ENIs that are remembered.
const ENIS: usize = 64;

/// What a VIP of IPv4 and a VNI say of a frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gate {
    /// Both as they lie in a frame.
    vip_vni: u64,
    pub(super) entry: Option<DirectionEntry>,
    pub(super) direction: Direction,
    /// Whether the source MAC of the customer frame names the ENI, or the destination.
    pub(super) by_source: bool,
}

/// An ENI, and what its frames need.
#[derive(Clone, Copy, Debug)]
pub(super) struct Admitted {
    mac: Mac,
    /// What names its flows.
    pub(super) owner: Owner,
    pub(super) eni: EniEntry,
    /// The epoch of its policy.
    pub(super) epoch: u32,
}

/// The answers, each at the place that its question hashes to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Memory {
    version: u32,
    generation: u32,
    gates: [Gate; VNIS],
    enis: [Admitted; ENIS],
}

impl Gate {
    /// A VNI has 24 bits.
    const NONE: Self =
        Self { vip_vni: u64::MAX, entry: None, direction: Direction::Inbound, by_source: false };

    #[inline]
    const fn question(vip: u32, vni: Vni) -> u64 {
        (vni.0 as u64) << 32 | vip as u64
    }
}

impl Admitted {
    const NONE: Self = Self { mac: Mac::NONE, owner: Owner::NONE, eni: EniEntry::NONE, epoch: 0 };
}

impl Memory {
    /// Nothing is remembered. No policy has version 0.
    pub(super) const EMPTY: Self =
        Self { version: 0, generation: 0, gates: [Gate::NONE; VNIS], enis: [Admitted::NONE; ENIS] };

    /// Forgets what may have changed.
    #[inline]
    pub(super) fn refresh(&mut self, policy: &Policy<'_>) {
        let version = policy.version();
        if self.version != version {
            *self = Self { version, generation: policy.underlay_generation(), ..Self::EMPTY };
        }
    }

    /// The version of the underlay routes.
    #[inline]
    pub(super) const fn underlay_generation(&self) -> u32 {
        self.generation
    }

    /// What is remembered of `vip`, as it lies in a frame, and `vni`.
    #[inline]
    pub(super) fn gate(&self, vip: u32, vni: Vni) -> Option<&Gate> {
        self.gates.get(vni.place()).filter(|gate| gate.vip_vni == Gate::question(vip, vni))
    }

    /// What a frame to `vip` meets whose VNI has this `entry`; remembers it.
    pub(super) fn keep_gate(
        &mut self,
        vip: IpAddress,
        vni: u32,
        entry: Option<DirectionEntry>,
    ) -> Gate {
        let (direction, by_source) = direction::of(entry);
        let mut gate = Gate { entry, direction, by_source, ..Gate::NONE };
        if let IpAddress::Ipv4(vip) = vip {
            let vni = Vni::from(vni);
            gate.vip_vni = Gate::question(u32::from_ne_bytes(vip.octets()), vni);
            if let Some(place) = self.gates.get_mut(vni.place()) {
                *place = gate;
            }
        }
        gate
    }

    /// The ENI of `mac`.
    #[inline]
    pub(super) fn eni(&mut self, policy: &Policy<'_>, mac: Mac) -> Option<&Admitted> {
        if self.known_eni(mac).is_none() {
            self.ask_eni(policy, mac);
        }
        self.known_eni(mac)
    }

    #[inline]
    fn known_eni(&self, mac: Mac) -> Option<&Admitted> {
        self.enis.get(mac.place(ENIS)).filter(|admitted| admitted.mac == mac)
    }

    #[cold]
    fn ask_eni(&mut self, policy: &Policy<'_>, mac: Mac) {
        let Some(eni) = policy.eni_by_mac(mac.into()) else { return };
        if let Some(place) = self.enis.get_mut(mac.place(ENIS)) {
            let (owner, epoch) = (Owner::new(mac, eni.vnet), policy.epoch(eni.id));
            *place = Admitted { mac, owner, eni, epoch };
        }
    }
}
