//! The summary that `dash run` prints.

use std::fmt::Write;

use comfy_table::{CellAlignment, Table, presets::ASCII_MARKDOWN};

use crate::report::Report;

/// Flows that the summary lists; the report has all.
const FLOWS: usize = 20;

/// The totals, a table of flows and a table of drops.
#[must_use]
pub fn text(report: &Report, frames: u64) -> String {
    let sent: u64 = report.ports.values().map(|port| port.tx.packets).sum();
    let dropped: u64 = report.drops.values().sum();
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{frames} frames in, {sent} out, {dropped} dropped");
    let _ = writeln!(text, "\nFlows: {}", report.flows.len());
    if !report.flows.is_empty() {
        let _ = writeln!(text, "{}", flows(report));
    }
    if report.flows.len() > FLOWS {
        let _ = writeln!(text, "and {} more in report.json", report.flows.len() - FLOWS);
    }
    let _ = writeln!(text, "\nDrops: {dropped}");
    if dropped != 0 {
        let _ = writeln!(text, "{}", drops(report));
    }
    text
}

fn flows(report: &Report) -> Table {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN).set_header([
        "ENI",
        "Direction",
        "Source",
        "Destination",
        "Protocol",
        "Ports",
        "Packets",
        "Bytes",
    ]);
    for flow in report.flows.iter().take(FLOWS) {
        table.add_row([
            flow.eni.clone(),
            flow.direction.to_owned(),
            flow.src.to_string(),
            flow.dst.to_string(),
            flow.protocol.to_string(),
            format!("{} -> {}", flow.src_port, flow.dst_port),
            flow.packets.to_string(),
            flow.bytes.to_string(),
        ]);
    }
    numbers_right(&mut table, &[4, 6, 7]);
    table
}

fn drops(report: &Report) -> Table {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN).set_header(["Reason", "Packets"]);
    for (reason, count) in &report.drops {
        table.add_row([reason.clone(), count.to_string()]);
    }
    numbers_right(&mut table, &[1]);
    table
}

fn numbers_right(table: &mut Table, columns: &[usize]) {
    for column in columns {
        if let Some(column) = table.column_mut(*column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}
