//! What happens without a call: schedules whose moment comes, and groups that go with their schedules. Each is a durable
//! message that moves itself on together with what follows from it.

use std::sync::Arc;
use std::time::Duration;

use lambent_fabric::lanes::Bounds;
use lambent_fabric::{Again, AttemptFuture, Courier, Verdict};
use lambent_model::{Scope, Timestamp};
use lambent_store::queue::Message;
use lambent_store::{Error as StoreError, Expect, Partition, Write};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Inner;
use super::call::{self, Moment};
use super::record::{self, Schedule, group_key, schedule_arn, schedule_key};
use crate::sending::{Patience, Sender, attribute, delivery};

/// What the names of these queues begin with.
const PREFIX: &str = "scheduler/";
/// One message for each schedule that has a moment ahead, due then.
const SCHEDULES: &str = "scheduler/schedules";
/// One message for each group that is being deleted.
const GROUPS: &str = "scheduler/groups";

/// Enough that thousands of schedules of the same minute share their commits: each reads a record and writes a little.
const BOUNDS: Bounds = Bounds { slots: 256, bytes: 1024 * 1024, first: 64 };

/// After the disk has refused.
const AGAIN: Duration = Duration::from_secs(1);

/// Schedules of a group that are removed in one commit, which others wait for.
const REMOVED: usize = 256;

/// What an event may be old where nobody says (User Guide, "Configuring a retry policy").
const AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// Fires schedules, and removes those of deleted groups.
pub struct ScheduleCourier {
    inner: Arc<Inner>,
}

/// The message that wakes a schedule, or has a group deleted.
#[derive(Serialize, Deserialize)]
struct Wake {
    account: String,
    region: String,
    group: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    id: String,
}

impl Wake {
    fn scope(&self) -> Option<Scope> {
        Some(Scope { account: self.account.parse().ok()?, region: self.region.parse().ok()? })
    }

    fn body(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("texts always have a JSON form")
    }
}

/// Beside the message: the moment itself, for with a window it is due some minutes later.
fn note(moment: Timestamp) -> Vec<u8> {
    moment.micros().to_string().into_bytes()
}

fn noted(state: &[u8]) -> Option<Timestamp> {
    std::str::from_utf8(state).ok()?.parse().ok().map(Timestamp::from_micros)
}

impl Inner {
    /// The message for the first moment of a schedule from `from` on, and its name; none where there is no moment.
    pub(super) fn first_wake(
        &self,
        scope: &Scope,
        group: &str,
        name: &str,
        schedule: &Schedule,
        from: Timestamp,
    ) -> Option<(Write, String)> {
        let moment = schedule.next(Timestamp::from_millis(from.millis() - 1))?;
        let id = self.new_id();
        let wake = Wake {
            account: scope.account.to_string(),
            region: scope.region.to_string(),
            group: group.to_owned(),
            name: name.to_owned(),
            id: id.clone(),
        };
        let (queue, due) = (SCHEDULES.to_owned(), self.within_window(schedule, moment));
        Some((Write::Enqueue { queue, due, state: note(moment), body: wake.body() }, id))
    }

    /// Some time within the minutes after a moment in which the target may be invoked.
    fn within_window(&self, schedule: &Schedule, moment: Timestamp) -> Timestamp {
        match schedule.window_minutes.unwrap_or(0) {
            0 => moment,
            minutes => moment.plus(Duration::from_millis(self.below(u64::from(minutes) * 60_000))),
        }
    }
}

/// Has a group's schedules removed, and then the group.
pub(super) fn begin_deletion(scope: &Scope, group: &str, now: Timestamp) -> Write {
    let wake = Wake {
        account: scope.account.to_string(),
        region: scope.region.to_string(),
        group: group.to_owned(),
        name: String::new(),
        id: String::new(),
    };
    Write::Enqueue { queue: GROUPS.to_owned(), due: now, state: Vec::new(), body: wake.body() }
}

impl ScheduleCourier {
    pub(super) fn new(inner: Arc<Inner>) -> Self {
        Self { inner }
    }
}

impl Courier for ScheduleCourier {
    fn prefix(&self) -> &'static str {
        PREFIX
    }

    fn bounds(&self) -> Bounds {
        BOUNDS
    }

    fn attempt(&self, queue: Arc<str>, message: Message) -> AttemptFuture {
        let inner = Arc::clone(&self.inner);
        Box::pin(async move {
            let state = message.state.clone();
            let wake = serde_json::from_slice::<Wake>(&message.body).ok();
            let known = wake.and_then(|wake| Some((wake.scope()?, wake)));
            let done = match (&*queue, known) {
                (SCHEDULES, Some((scope, wake))) => inner.fire(&scope, &wake, &message).await,
                (GROUPS, Some((scope, wake))) => inner.remove(&scope, &wake.group, &message).await,
                _ => {
                    tracing::error!(%queue, "a message is none that this version knows; it is dropped");
                    Ok(Verdict::Settled(Vec::new()))
                }
            };
            let now = inner.clock.now();
            done.unwrap_or_else(|error| {
                // Somebody has changed the schedule meanwhile: it is looked at again at once.
                let due = if matches!(error, StoreError::Conflict { .. }) { now } else { now.plus(AGAIN) };
                tracing::debug!(%queue, %error, "a message is tried again");
                Verdict::Later { due, state, why: Again::Own }
            })
        })
    }
}

impl Inner {
    /// A schedule's moment has come. What was missed while the server was down is made up for once, if it is not older than
    /// its target takes events; then the next moment is the first in the future.
    async fn fire(&self, scope: &Scope, wake: &Wake, message: &Message) -> Result<Verdict, StoreError> {
        let key = schedule_key(scope, &wake.group, &wake.name);
        let Some(found) = self.store.get(&key).await? else { return Ok(Verdict::Settled(Vec::new())) };
        let schedule: Schedule = found.decode()?;
        if schedule.wake.as_deref() != Some(&*wake.id) {
            return Ok(Verdict::Settled(Vec::new()));
        }
        let lease = message.lease;
        // It was made while its group was on its way out.
        if wake.group != record::DEFAULT && self.store.get(&group_key(scope, &wake.group)).await?.is_none() {
            let gone = Write::Delete { key, expect: Expect::Version(found.version) };
            self.store.commit(vec![gone, Write::Finish { lease }]).await?;
            return Ok(Verdict::Committed);
        }
        let now = self.clock.now();
        let moment = noted(&message.state).unwrap_or(message.due);
        let mut writes: Vec<Write> =
            self.invocation(scope, wake, &schedule, moment, now).into_iter().collect();
        // A moment whose window is still open is not missed.
        let window = i64::from(schedule.window_minutes.unwrap_or(0)) * 60_000;
        let passed = Timestamp::from_millis(now.millis() - window).max(moment);
        match schedule.next(passed) {
            Some(next) => {
                let due = self.within_window(&schedule, next);
                writes.push(Write::Postpone { lease, due, state: note(next) });
            }
            None => {
                writes.push(Write::Finish { lease });
                if schedule.deleted_after == Some(true) {
                    writes.push(Write::Delete { key, expect: Expect::Version(found.version) });
                }
            }
        }
        self.store.commit(writes).await?;
        Ok(Verdict::Committed)
    }

    /// The delivery for one moment; none where it is older than its target takes events.
    fn invocation(
        &self,
        scope: &Scope,
        wake: &Wake,
        schedule: &Schedule,
        moment: Timestamp,
        now: Timestamp,
    ) -> Option<Write> {
        let (arn, target) = (schedule_arn(scope, &wake.group, &wake.name), &schedule.target);
        let age = target.age_seconds.map_or(AGE, |seconds| Duration::from_secs(seconds.into()));
        let window = Duration::from_secs(u64::from(schedule.window_minutes.unwrap_or(0)) * 60);
        if now > moment.plus(window).plus(age) {
            tracing::warn!(schedule = arn, %moment, "a schedule's moment was missed, and is too old to be made up for");
            return None;
        }
        let execution = self.new_id();
        let called = call::of(target, &Moment { scope, arn: &arn, time: moment, execution: &execution });
        let called = match called {
            Ok(called) => called,
            // What was taken can be called, but by an older version.
            Err(reason) => {
                tracing::error!(schedule = arn, reason, "a schedule's target cannot be called");
                return None;
            }
        };
        let patience = Patience {
            retries: target.retries,
            age_seconds: target.age_seconds,
            dead_letters: target.dead_letters.as_deref(),
        };
        let body = target.input.clone().unwrap_or_else(|| "{}".to_owned());
        let dead_letter = json!({
            "MessageBody": body,
            "MessageAttributes": {
                "SCHEDULE_ARN": attribute(&arn),
                "TARGET_ARN": attribute(&target.arn),
                "EXECUTION_ID": attribute(&execution),
                "SCHEDULED_TIME": attribute(&moment.to_string()),
            },
        });
        let sender = Sender {
            arn: &arn,
            id: &execution,
            now,
            caller: call::caller(target, scope),
            dead_letter: dead_letter.to_string(),
        };
        let lane = called.resource.clone().unwrap_or_else(|| target.arn.clone());
        Some(delivery(&lane, called, patience, sender).enqueue())
    }

    /// Removes some schedules of a group that is being deleted; when there are none any more, the group.
    async fn remove(&self, scope: &Scope, group: &str, message: &Message) -> Result<Verdict, StoreError> {
        let partition = Partition { kind: record::SCHEDULE, partition: record::members(scope, group) };
        let members = self.store.list(&partition, None, REMOVED).await?;
        let lease = message.lease;
        let mut writes: Vec<Write> = members
            .into_iter()
            .map(|member| Write::Delete { key: member.key, expect: Expect::Any })
            .collect();
        if writes.is_empty() {
            writes.push(Write::Delete { key: group_key(scope, group), expect: Expect::Any });
            writes.push(Write::Finish { lease });
        } else {
            writes.push(Write::Postpone { lease, due: self.clock.now(), state: Vec::new() });
        }
        self.store.commit(writes).await?;
        Ok(Verdict::Committed)
    }
}
