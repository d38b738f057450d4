//! The attributes of the flow table. DASH flow API, flow table object.
//!
//! Choice: a flow is named by all fields, and no other mask is supported. A flow that stands for
//! several conversations would give the answer of the access lists for one of them to all, and no
//! TCP conversation could be followed to its end.

use dash_hal::{EventSink, FlowOffload, PacketBuffer};

use super::{FlowKey, FlowState, Settings, Vnet};
use crate::{
    engine::Engine,
    flow::{FlowRemoved, Offered},
};

bitflags::bitflags! {
    /// Fields of a frame that may name its flow.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct KeyFields: u8 {
        /// MAC address of the ENI.
        const ENI = 0x01;
        /// VNET of the ENI.
        const VNET = 0x02;
        /// IP protocol.
        const PROTOCOL = 0x04;
        /// Customer source.
        const SOURCE = 0x08;
        /// Customer destination.
        const DESTINATION = 0x10;
        /// Source port.
        const SOURCE_PORT = 0x20;
        /// Destination port.
        const DESTINATION_PORT = 0x40;
    }
}

/// What a controller reads and sets of the flow table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableAttributes {
    /// Most flows: as many as there was memory for at the start.
    pub max_flows: usize,
    /// What names a flow: all fields.
    pub enabled_key: KeyFields,
    /// A flow without hits ends after so many milliseconds; 0: never. Flows keep what they have.
    pub ttl: u32,
}

/// An attribute cannot have this value; none was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttributeError {
    /// The table has the memory that it has.
    MaxFlows,
    /// A flow is named by all fields.
    EnabledKey,
}

impl<'a, B, const QUEUE: usize, const PUNTS: usize, O, E>
    Engine<'a, Vnet<'a>, B, QUEUE, PUNTS, O, E>
where
    B: PacketBuffer,
    O: FlowOffload<FlowKey, Offered<FlowState>>,
    E: EventSink<FlowRemoved<FlowKey, FlowState>>,
{
    /// The attributes of the flow table.
    #[must_use]
    pub fn attributes(&self) -> TableAttributes {
        TableAttributes {
            max_flows: self.flows().capacity(),
            enabled_key: KeyFields::all(),
            ttl: self.pipeline().settings().idle_timeout,
        }
    }

    /// Sets the attributes of the flow table, between bursts.
    ///
    /// # Errors
    /// [`AttributeError`]; nothing is changed.
    pub fn set_attributes(&mut self, attributes: &TableAttributes) -> Result<(), AttributeError> {
        if attributes.max_flows != self.flows().capacity() {
            return Err(AttributeError::MaxFlows);
        }
        if attributes.enabled_key != KeyFields::all() {
            return Err(AttributeError::EnabledKey);
        }
        let settings = *self.pipeline().settings();
        self.pipeline_mut().set(Settings { idle_timeout: attributes.ttl, ..settings });
        Ok(())
    }
}
