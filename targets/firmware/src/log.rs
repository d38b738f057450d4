//! Events and findings as defmt log frames, which the image's global logger takes to the host.

use dash_hal::conformance::Report;

use crate::event::Event;

/// Logs an event.
pub fn log(event: Event) {
    match event {
        Event::DeviceLost | Event::Refused(_) | Event::Rejected { .. } | Event::Lost(_) => {
            defmt::warn!("{}", event);
        }
        _ => defmt::info!("{}", event),
    }
}

/// Logs what the conformance suite found, case by case.
pub fn log_report(report: &Report) {
    for (case, outcome) in report.iter() {
        defmt::info!("{}: {}", case, outcome);
    }
}
