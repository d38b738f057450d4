//! `--trace`: one line for each frame.

use dash_core::{
    flow::FlowStep,
    pipeline::{
        End,
        vnet::{AclAnswer, DropReason, Event, policy::ACL_STAGES},
    },
};
use dash_hal::{PacketBuffer, PortId};

use super::{
    FrameTrace,
    describe::{inbound_action, prefix, route},
};
use crate::{config::numbers::Names, headers, platform::HostBuffer};

/// Stands above the lines.
#[must_use]
pub fn header() -> String {
    let acl: [String; ACL_STAGES] = std::array::from_fn(|index| format!("ACL{}", index + 1));
    columns("#", "SRC -> DST", &acl, "Routing", "Final")
}

/// The line of frame `number`: `received` is what came in, `sent` what left.
#[must_use]
pub fn line(
    number: u64,
    received: &[u8],
    sent: &[(PortId, HostBuffer)],
    trace: &FrameTrace,
    names: &Names,
) -> String {
    let addresses = headers::customer_addresses(received);
    let addresses = addresses.map_or_else(
        || "? -> ?".to_owned(),
        |(source, destination)| format!("{source} -> {destination}"),
    );
    let mut acl = [const { String::new() }; ACL_STAGES];
    let mut routing = String::new();
    for event in trace.events() {
        match event {
            Event::Acl { stage, answer, .. } => {
                if let Some(cell) = acl.get_mut(stage.wrapping_sub(1)) {
                    cell.push_str(acl_cell(*answer));
                }
            }
            Event::Route { destination, entry: Some((length, entry)), .. } => {
                routing = format!("{} {}", prefix(*destination, *length), route(*entry, names));
            }
            Event::InboundRule { entry: Some((priority, action)), .. } => {
                routing = format!("rule {priority} {}", inbound_action(*action, names));
            }
            Event::Route { entry: None, .. } | Event::InboundRule { entry: None, .. } => {
                "no route".clone_into(&mut routing);
            }
            _ => {}
        }
    }
    if trace.flow(FlowStep::Hit) {
        "flow".clone_into(&mut routing);
    }
    let last = match trace.end {
        Some(End::Dropped(reason)) if is_acl(reason) => format!("Blocked ({reason})"),
        Some(End::Dropped(reason)) => format!("Dropped ({reason})"),
        _ => sent
            .iter()
            .map(|(port, frame)| {
                format!("{}, port {}", headers::in_short(frame.bytes()), names.ports.name(*port))
            })
            .collect::<Vec<_>>()
            .join("; "),
    };
    columns(&number.to_string(), &addresses, &acl, &routing, &last)
}

const fn acl_cell(answer: AclAnswer) -> &'static str {
    match answer {
        AclAnswer::Unbound => "",
        AclAnswer::Rule { action, .. } if action.permit => "Allow",
        _ => "Block",
    }
}

fn is_acl(reason: DropReason) -> bool {
    reason.to_string().starts_with("acl_")
}

fn columns(
    number: &str,
    addresses: &str,
    acl: &[String; ACL_STAGES],
    routing: &str,
    last: &str,
) -> String {
    use std::fmt::Write;
    let mut line = format!("{number:>5}  {addresses:<26}");
    for cell in acl {
        // Writing to a string cannot fail.
        let _ = write!(line, "  {cell:<5}");
    }
    let _ = write!(line, "  {routing:<22}  {last}");
    line.truncate(line.trim_end().len());
    line
}
