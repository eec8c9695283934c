//! Schedules and their groups as they are stored, and the moments of a schedule.

use std::collections::BTreeMap;

use lambent_model::{Scope, Timestamp};
use lambent_store::Key;
use serde::{Deserialize, Serialize};

use crate::schedule::Schedule as Expression;

/// Of a group, by name.
pub(super) const SCHEDULE: &str = "schedule";
/// Of an account and region, by name. There is always a default group, which has no record.
pub(super) const GROUP: &str = "schedule-group";
/// The group that every account has.
pub(super) const DEFAULT: &str = "default";

/// A schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Schedule {
    pub(super) expression: String,
    pub(super) zone: String,
    pub(super) start: Option<Timestamp>,
    pub(super) end: Option<Timestamp>,
    pub(super) description: Option<String>,
    pub(super) enabled: bool,
    pub(super) target: Target,
    /// Minutes after each moment within which it is invoked.
    pub(super) window_minutes: Option<u32>,
    /// Whether it goes with its last invocation; as it was given.
    pub(super) deleted_after: Option<bool>,
    pub(super) created: Timestamp,
    pub(super) modified: Timestamp,
    /// Of the request that made it.
    pub(super) token: Option<String>,
    /// The name of the message that will wake it; any other is of an earlier form of it.
    pub(super) wake: Option<String>,
}

/// What a schedule invokes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Target {
    pub(super) arn: String,
    pub(super) role: String,
    pub(super) input: Option<String>,
    pub(super) dead_letters: Option<String>,
    pub(super) retries: Option<u32>,
    pub(super) age_seconds: Option<u32>,
    /// `MessageGroupId` of a queue.
    pub(super) group: Option<String>,
    /// Detail type and source for a bus.
    pub(super) event: Option<(String, String)>,
}

/// A group of schedules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Group {
    /// Whether it is being deleted, with its schedules.
    pub(super) deleting: bool,
    /// Not of the default group, which was always there.
    pub(super) created: Option<Timestamp>,
    pub(super) modified: Option<Timestamp>,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) token: Option<String>,
}

impl Schedule {
    /// The first moment after `after`, without the minutes of its window; `None` where there is no further one.
    ///
    /// "If you do not provide a StartDate for a rate-based schedule, your schedule starts invoking the target immediately",
    /// and else at its start (User Guide, "Schedule types").
    pub(super) fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let expression = Expression::parse(&self.expression, Some(&self.zone)).ok()?;
        let base = self.start.unwrap_or(self.modified).millis();
        let after = match (&expression, self.start) {
            // A one-time schedule has no beginning and no end: "ignores StartDate and EndDate".
            (Expression::At(_), _) => {
                return expression.next(after.millis(), base).map(Timestamp::from_millis);
            }
            (Expression::Rate(_), _) if after.millis() < base => return self.before_end(base),
            (_, Some(start)) => after.millis().max(start.millis() - 1),
            (_, None) => after.millis(),
        };
        self.before_end(expression.next(after, base)?)
    }

    fn before_end(&self, moment: i64) -> Option<Timestamp> {
        let moment = Timestamp::from_millis(moment);
        self.end.is_none_or(|end| moment <= end).then_some(moment)
    }
}

pub(super) fn partition(scope: &Scope) -> String {
    format!("{}/{}", scope.account, scope.region)
}

/// What the schedules of a group lie in.
pub(super) fn members(scope: &Scope, group: &str) -> String {
    format!("{}/{}/{group}", scope.account, scope.region)
}

pub(super) fn schedule_key(scope: &Scope, group: &str, name: &str) -> Key {
    Key { kind: SCHEDULE, partition: members(scope, group), name: name.to_owned() }
}

pub(super) fn group_key(scope: &Scope, name: &str) -> Key {
    Key { kind: GROUP, partition: partition(scope), name: name.to_owned() }
}

pub(super) fn schedule_arn(scope: &Scope, group: &str, name: &str) -> String {
    format!("arn:aws:scheduler:{}:{}:schedule/{group}/{name}", scope.region, scope.account)
}

pub(super) fn group_arn(scope: &Scope, name: &str) -> String {
    format!("arn:aws:scheduler:{}:{}:schedule-group/{name}", scope.region, scope.account)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Moments as minutes of the epoch's first days.
    fn minutes(count: i64) -> Timestamp {
        Timestamp::from_millis(count * 60_000)
    }

    fn schedule(expression: &str, start: Option<i64>, end: Option<i64>) -> Schedule {
        Schedule {
            expression: expression.to_owned(),
            zone: "UTC".to_owned(),
            start: start.map(minutes),
            end: end.map(minutes),
            description: None,
            enabled: true,
            target: Target {
                arn: String::new(),
                role: String::new(),
                input: None,
                dead_letters: None,
                retries: None,
                age_seconds: None,
                group: None,
                event: None,
            },
            window_minutes: None,
            deleted_after: None,
            created: minutes(100),
            modified: minutes(100),
            token: None,
            wake: None,
        }
    }

    #[test]
    fn the_moments_of_each_form_within_their_bounds() {
        for (expression, start, end, after, next) in [
            ("rate(5 minutes)", None, None, 99, Some(100)),
            ("rate(5 minutes)", None, None, 100, Some(105)),
            ("rate(5 minutes)", Some(203), None, 100, Some(203)),
            ("rate(5 minutes)", Some(203), None, 210, Some(213)),
            ("rate(5 minutes)", None, Some(110), 106, Some(110)),
            ("rate(5 minutes)", None, Some(110), 110, None),
            ("rate(5 minutes)", Some(203), Some(202), 100, None),
            ("cron(0 * * * ? *)", None, None, 100, Some(120)),
            ("cron(0 * * * ? *)", Some(180), None, 100, Some(180)),
            ("cron(0 * * * ? *)", None, Some(119), 100, None),
            ("at(1970-01-01T02:00:00)", Some(300), Some(310), 100, Some(120)),
            ("at(1970-01-01T02:00:00)", None, None, 120, None),
        ] {
            let found = schedule(expression, start, end).next(minutes(after));
            assert_eq!(found, next.map(minutes), "{expression} {start:?} {end:?} after {after}");
        }
    }
}
