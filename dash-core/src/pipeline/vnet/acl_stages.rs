//! Stage: five access lists for each direction. DASH HLD, ACL.
//!
//! A stage without a group is skipped. The first rule of a group that matches counts; with a
//! terminating one, and where none matches, the answer is final. Of rules that do not terminate
//! the last decides. No group bound at all: permit. Each rule that is the first to match counts
//! the frame; what hits a flow does not come here.

use super::{
    DropReason, Event, Vnet,
    event::AclAnswer,
    policy::{AclAction, Direction, Policy, RuleCounterId, Stages},
};
use crate::{
    pipeline::Trace,
    table::acl::{Headers, Match},
};

pub(super) fn check<'a>(
    policy: &Policy<'a>,
    groups: &Stages,
    direction: Direction,
    headers: &Headers,
    mut count: impl FnMut(RuleCounterId),
    trace: &mut impl Trace<Vnet<'a>>,
) -> Result<(), DropReason> {
    let mut verdict = Ok(());
    for (group, stage) in groups.iter().zip(1..) {
        let found = group.map(|group| policy.classify(group, headers));
        if let Some(Match::Rule { value, .. }) = found
            && let Some(counter) = RuleCounterId::from_value(value)
        {
            count(counter);
        }
        let answer = found.map_or(AclAnswer::Unbound, answer_of);
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

fn answer_of(found: Match) -> AclAnswer {
    match found {
        Match::NoGroup => AclAnswer::NoGroup,
        Match::OtherVersion => AclAnswer::OtherVersion,
        Match::NoRule => AclAnswer::NoRule,
        Match::Rule { priority, value } => {
            AclAnswer::Rule { priority, action: AclAction::from_value(value) }
        }
    }
}
