//! What happens without a call: rules whose moment comes, replays, and archives that forget. Each is a durable message
//! that moves itself on together with what follows from it.

use std::sync::Arc;
use std::time::Duration;

use lambent_fabric::lanes::Bounds;
use lambent_fabric::{Again, AttemptFuture, Courier, Verdict};
use lambent_model::Timestamp;
use lambent_store::Write;
use lambent_store::queue::Message;
use lambent_wire::Error;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::event::Event;
use super::names::BusName;
use super::records::Rule;
use super::spread::Coming;
use super::{Inner, archive};
use crate::schedule::Schedule;

/// What the names of these queues begin with.
const PREFIX: &str = "eventbridge/";
/// One message for each rule that has a schedule and is switched on, due at its next moment.
const SCHEDULES: &str = "eventbridge/schedules";
/// One message for each replay that runs.
pub(super) const REPLAYS: &str = "eventbridge/replays";
/// One message for each archive, due when it is to be looked through for what it no longer keeps.
pub(super) const SWEEPS: &str = "eventbridge/sweeps";

/// Enough that a minute's rules are fired at once: each reads a record and writes a commit, which others share. A replay's
/// step holds a megabyte.
const BOUNDS: Bounds = Bounds { slots: 64, bytes: 16 * 1024 * 1024, first: 32 };

/// After the disk has refused.
const AGAIN: Duration = Duration::from_secs(1);

/// Fires the schedules of rules, replays archives, and removes what archives no longer keep.
pub struct EventCourier {
    inner: Arc<Inner>,
}

/// The message that wakes a rule.
#[derive(Serialize, Deserialize)]
struct Wake {
    account: String,
    region: String,
    rule: String,
    id: String,
}

/// The message for the first moment of a rule's schedule; none where there is no further moment.
pub(super) fn first_wake(bus: &BusName, name: &str, rule: &Rule, id: &str) -> Option<Write> {
    let wake = Wake {
        account: bus.account.clone(),
        region: bus.region.clone(),
        rule: name.to_owned(),
        id: id.to_owned(),
    };
    let due = next(rule, rule.since)?;
    let body = serde_json::to_vec(&wake).expect("texts always have a JSON form");
    Some(Write::Enqueue { queue: SCHEDULES.to_owned(), due, state: Vec::new(), body })
}

/// The moment after `after`.
fn next(rule: &Rule, after: Timestamp) -> Option<Timestamp> {
    let schedule = Schedule::parse_rule(rule.schedule.as_deref()?).ok()?;
    schedule.next(after.millis(), rule.since.millis()).map(Timestamp::from_millis)
}

impl EventCourier {
    pub(super) fn new(inner: Arc<Inner>) -> Self {
        Self { inner }
    }
}

impl Courier for EventCourier {
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
            let done = match &*queue {
                SCHEDULES => inner.fire(message).await,
                REPLAYS => archive::replay(&inner, message).await,
                SWEEPS => archive::sweep(&inner, message).await,
                _ => Ok(unknown(&queue)),
            };
            done.unwrap_or_else(|error| {
                tracing::warn!(%queue, error = %error.message, "a message is tried again, because the store refused");
                Verdict::Later { due: inner.clock.now().plus(AGAIN), state, why: Again::Own }
            })
        })
    }
}

/// A message that only a defect or a newer server writes.
pub(super) fn unknown(queue: &str) -> Verdict {
    tracing::error!(queue, "a message is none that this version knows; it is dropped");
    Verdict::Settled(Vec::new())
}

/// A message's body as what it is a message of.
pub(super) fn read<T: DeserializeOwned>(message: &Message) -> Option<T> {
    serde_json::from_slice(&message.body).ok()
}

impl Inner {
    /// A rule's moment has come. What was missed while the server was down is made up for once, and its event has the time
    /// of the first moment that was missed; the next one is the first in the future.
    async fn fire(&self, message: Message) -> Result<Verdict, Error> {
        let Some(wake) = read::<Wake>(&message) else { return Ok(unknown(SCHEDULES)) };
        let (Ok(account), Ok(region)) = (wake.account.parse(), wake.region.parse()) else {
            return Ok(unknown(SCHEDULES));
        };
        let bus = BusName::of(&lambent_model::Scope { account, region }, super::names::DEFAULT);
        let rule = self.rule(&bus, &wake.rule).await?;
        // Of a schedule that is not any more.
        let Some(rule) = rule.filter(|rule| rule.wake.as_deref() == Some(&*wake.id)) else {
            return Ok(Verdict::Settled(Vec::new()));
        };
        let (now, arn) = (self.clock.now(), bus.rule_arn(&wake.rule));
        let event = Event::of_schedule(self.new_id(), &bus.account, &bus.region, message.due, &arn);
        let coming = Coming { event: &event, trace_id: None, now };
        let mut writes = self.spread_moment(&bus, &wake.rule, &rule, &coming).await?;
        let lease = message.lease;
        writes.push(match next(&rule, now.max(message.due)) {
            Some(due) => Write::Postpone { lease, due, state: Vec::new() },
            None => Write::Finish { lease },
        });
        self.commit(writes).await?;
        Ok(Verdict::Committed)
    }
}
