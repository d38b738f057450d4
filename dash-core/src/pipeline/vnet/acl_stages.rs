//! Stage: five access lists for each direction. DASH HLD, ACL.
//!
//! A stage without a group is skipped. The first rule of a group that matches counts; with a
//! terminating one, and where none matches, the answer is final. Of rules that do not terminate
//! the last decides. No group bound at all: permit.

use super::{
    DropReason, Event, Vnet,
    event::AclAnswer,
    policy::{AclAction, AclBindings, AclGroupId, Direction, Policy},
};
use crate::{
    pipeline::Trace,
    table::acl::{Headers, Match},
};

pub(super) fn check<'a>(
    policy: &Policy<'a>,
    bindings: &AclBindings,
    direction: Direction,
    headers: &Headers,
    trace: &mut impl Trace<Vnet<'a>>,
) -> Result<(), DropReason> {
    let mut verdict = Ok(());
    for (group, stage) in bindings.stages(direction, headers.source.version()).iter().zip(1..) {
        let answer = group.map_or(AclAnswer::Unbound, |group| ask(policy, group, headers));
        trace.stage(|| Event::Acl { direction, stage, group: *group, answer });
        let action = match answer {
            AclAnswer::Unbound => continue,
            AclAnswer::Rule { action, .. } => action,
            AclAnswer::NoGroup | AclAnswer::OtherVersion | AclAnswer::NoRule => {
                AclAction { permit: false, terminating: true }
            }
        };
        verdict = if action.permit { Ok(()) } else { Err(DropReason::acl(direction, stage)) };
        if action.terminating {
            break;
        }
    }
    verdict
}

fn ask(policy: &Policy<'_>, group: AclGroupId, headers: &Headers) -> AclAnswer {
    match policy.classify(group, headers) {
        Match::NoGroup => AclAnswer::NoGroup,
        Match::OtherVersion => AclAnswer::OtherVersion,
        Match::NoRule => AclAnswer::NoRule,
        Match::Rule { priority, value } => {
            AclAnswer::Rule { priority, action: AclAction::from_value(value) }
        }
    }
}
