//! Packet processing for the cores of a SmartNIC or DPU: no allocation, no `unsafe`.
//!
//! A frame comes in; [`engine::Engine`] finds its flow or, on a miss, lets a
//! [`pipeline::Pipeline`] evaluate policy once; the outcome is compiled into one
//! [`rewrite::Rewrite`] for each direction and kept in a flow table. From then on only the
//! rewrite is applied.
//!
//! The modules in the order of a frame's life: [`wire`] parses, [`table`] looks up, [`flow`]
//! remembers, [`rewrite`] changes headers, [`engine`] ties them, [`pipeline`] decides.
//!
//! # A core of a port
//!
//! All memory is the port's: here it lies on the stack, in firmware in static arrays or a DDR
//! region. [`SoftwarePlatform`](dash_hal::software::SoftwarePlatform) stands for the port.
//!
//! ```
//! use core::sync::atomic::AtomicU32;
//! use dash_core::{
//!     engine::Engine,
//!     flow::{Flow, FlowTable},
//!     pipeline::vnet::{
//!         DropReason, EniCounters, FlowKey, FlowState, Settings, Vnet,
//!         policy::{Appliance, ApplianceId, Capacity, PolicyWriter},
//!     },
//!     rewrite::NextHop,
//!     table::{cuckoo::{Bucket, Slot}, quiescence::Readers},
//! };
//! use dash_hal::{Entropy, Platform, PortId, software::SoftwarePlatform};
//! use smoltcp::wire::EthernetAddress;
//!
//! let mut port = SoftwarePlatform::<2, 2048>::new();
//!
//! // The control core: policy, in words that every core reads.
//! const CAPACITY: Capacity = Capacity { appliances: 1, enis: 4, ..Capacity::NONE };
//! let words = [const { AtomicU32::new(0) }; CAPACITY.words()];
//! let counters = [AtomicU32::new(0)];
//! let readers = Readers::new(&counters);
//! let mut policy = PolicyWriter::new(&words, &CAPACITY, port.entropy().seed(), readers)?;
//! let appliance = Appliance {
//!     sip: "100.0.0.2".parse().unwrap(),
//!     sip_v6: None,
//!     vm_vni: 4321,
//!     own_mac: EthernetAddress([0; 6]),
//!     neighbor_mac: EthernetAddress([0; 6]),
//! };
//! policy.set_appliance(ApplianceId(100), &appliance)?;
//! policy.commit();
//!
//! // A packet core: its flows and its counters.
//! const FLOWS: usize = 64;
//! type Table<'a> = FlowTable<'a, FlowKey, FlowState>;
//! let mut buckets = [Bucket::EMPTY; Table::buckets_for(FLOWS)];
//! let mut slots = [Slot::empty(Flow::EMPTY); FLOWS];
//! let mut next_hops = [NextHop::FREE; 8];
//! let flows = Table::new(&mut buckets, &mut slots, &mut next_hops, port.entropy().seed())?;
//! let mut enis = [EniCounters::ZERO; CAPACITY.enis];
//! let vnet = Vnet::new(policy.policy(), &mut enis, Settings::default());
//! let mut engine = Engine::<_, _>::new(vnet, flows, readers, 0);
//!
//! port.arrive(PortId(0), &[0; 60]).unwrap();
//! engine.poll(PortId(0), &mut port, &mut ());
//! assert_eq!(engine.pipeline().drops().count(DropReason::VipMiss), 1);
//! # Ok::<(), dash_core::pipeline::vnet::policy::PolicyError>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]

pub mod engine;
pub mod flow;
pub mod packet;
pub mod pipeline;
pub mod rewrite;
pub mod table;
pub mod wire;
