//! What archives keep: events in a queue that nobody takes from, in the order in which they came.

use std::time::Duration;

use lambent_fabric::Verdict;
use lambent_model::{Scope, Timestamp};
use lambent_store::queue::{Message, Place};
use lambent_store::{Expect, Write};
use lambent_wire::Error;
use serde::{Deserialize, Serialize};

use super::event::Event;
use super::keeper::{REPLAYS, SWEEPS, read, unknown};
use super::names::BusName;
use super::records::{Replay, replay_key};
use super::spread::Coming;
use super::{Inner, unavailable};

/// Events of one step of a replay, and their bytes: what is in memory, and how much comes between two looks at whether it
/// was cancelled.
const STEP: usize = 50;
const STEP_BYTES: usize = 1024 * 1024;

/// Events that are removed in one commit, which others wait for.
const SWEPT: usize = 500;
/// How often an archive is looked through. Retention counts days.
const SWEEP_EVERY: Duration = Duration::from_secs(3600);

/// The message of an archive's sweeps, or of a replay's steps.
#[derive(Serialize, Deserialize)]
struct Of {
    account: String,
    region: String,
    name: String,
    /// The queue of the archive.
    queue: String,
}

impl Of {
    fn message(scope: &Scope, name: &str, queue: &str) -> Vec<u8> {
        let of = Self {
            account: scope.account.to_string(),
            region: scope.region.to_string(),
            name: name.to_owned(),
            queue: queue.to_owned(),
        };
        serde_json::to_vec(&of).expect("texts always have a JSON form")
    }

    fn scope(&self) -> Option<Scope> {
        Some(Scope { account: self.account.parse().ok()?, region: self.region.parse().ok()? })
    }
}

/// Has an archive looked through from now on.
pub(super) fn first_sweep(scope: &Scope, name: &str, queue: &str, now: Timestamp) -> Write {
    let body = Of::message(scope, name, queue);
    Write::Enqueue { queue: SWEEPS.to_owned(), due: now.plus(SWEEP_EVERY), state: Vec::new(), body }
}

/// Has a replay begin.
pub(super) fn first_step(scope: &Scope, name: &str, replay: &Replay) -> Write {
    let body = Of::message(scope, name, &replay.queue);
    let state = At::before(replay.from).encode();
    Write::Enqueue { queue: REPLAYS.to_owned(), due: replay.started, state, body }
}

/// How far a replay is.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct At {
    micros: i64,
    id: u64,
}

impl At {
    fn before(time: Timestamp) -> Self {
        Self::of(Place::before(time))
    }

    fn of(place: Place) -> Self {
        Self { micros: place.due.micros(), id: place.id }
    }

    fn place(self) -> Place {
        Place { due: Timestamp::from_micros(self.micros), id: self.id }
    }

    fn encode(self) -> Vec<u8> {
        serde_json::to_vec(&self).expect("numbers always have a JSON form")
    }
}

/// Removes what an archive no longer keeps: what is too old, or, where the archive is no more, everything.
pub(super) async fn sweep(inner: &Inner, message: Message) -> Result<Verdict, Error> {
    let found = read::<Of>(&message).and_then(|of| Some((of.scope()?, of)));
    let Some((scope, of)) = found else { return Ok(unknown(SWEEPS)) };
    let now = inner.clock.now();
    let archive = inner.archive(&scope, &of.name).await?.filter(|archive| archive.queue == of.queue);
    let before = match &archive {
        None => Some(Timestamp::from_micros(i64::MAX)),
        Some(archive) => (archive.retention_days > 0).then(|| {
            Timestamp::from_micros(now.micros() - i64::from(archive.retention_days) * 86_400_000_000)
        }),
    };
    let mut writes = Vec::new();
    let mut more = false;
    if let Some(before) = before {
        let beginning = Place::before(Timestamp::from_micros(i64::MIN));
        let first = inner.store.entries(&of.queue, beginning, before, SWEPT, STEP_BYTES).await;
        more = !first.map_err(|error| unavailable(&error))?.is_empty();
        if more {
            writes.push(Write::Discard { queue: of.queue, before, count: SWEPT });
        }
    }
    let lease = message.lease;
    writes.push(match (more, archive) {
        (false, None) => Write::Finish { lease },
        (true, _) => Write::Postpone { lease, due: now, state: Vec::new() },
        (false, Some(_)) => Write::Postpone { lease, due: now.plus(SWEEP_EVERY), state: Vec::new() },
    });
    inner.commit(writes).await?;
    Ok(Verdict::Committed)
}

/// The next events of a replay, put on their bus again together with the note how far it is.
pub(super) async fn replay(inner: &Inner, message: Message) -> Result<Verdict, Error> {
    let found = read::<Of>(&message).and_then(|of| Some((of.scope()?, of)));
    let at = serde_json::from_slice::<At>(&message.state).ok();
    let (Some((scope, of)), Some(at)) = (found, at) else { return Ok(unknown(REPLAYS)) };
    // Nobody cancels it between here and the commit.
    let _changing = inner.changing.lock().await;
    let replay = inner.replay(&scope, &of.name).await?;
    let running = |replay: &Replay| matches!(&*replay.state, "STARTING" | "RUNNING");
    let Some(mut replay) = replay.filter(running) else { return Ok(Verdict::Settled(Vec::new())) };
    let entries = inner.store.entries(&of.queue, at.place(), replay.to, STEP, STEP_BYTES).await;
    let entries = entries.map_err(|error| unavailable(&error))?;
    let (now, lease) = (inner.clock.now(), message.lease);
    let (mut writes, mut end) = (Vec::new(), Write::Finish { lease });
    let bus = BusName::from_arn(&replay.destination);
    let bus = match bus {
        Some(bus) if inner.bus(&bus).await?.is_some() => Some(bus),
        _ => None,
    };
    match (entries.last(), bus) {
        (_, None) => {
            replay.state = "FAILED".to_owned();
            replay.reason = Some(format!("the event bus {} is not there any more", replay.destination));
            replay.ended = Some(now);
        }
        (None, Some(_)) => {
            replay.state = "COMPLETED".to_owned();
            replay.ended = Some(now);
        }
        (Some(last), Some(bus)) => {
            for entry in &entries {
                writes.extend(again(inner, &bus, &entry.body, &of.name, &replay.rules, now).await?);
            }
            replay.state = "RUNNING".to_owned();
            replay.last = Some(last.place.due);
            end = Write::Postpone { lease, due: now, state: At::of(last.place).encode() };
        }
    }
    let key = replay_key(&scope, &of.name);
    writes.push(Write::put(key, Expect::Any, &replay).map_err(|error| unavailable(&error))?);
    writes.push(end);
    inner.commit(writes).await?;
    Ok(Verdict::Committed)
}

/// What follows from an archived event that comes again.
async fn again(
    inner: &Inner,
    bus: &BusName,
    body: &[u8],
    replay: &str,
    rules: &[String],
    now: Timestamp,
) -> Result<Vec<Write>, Error> {
    let Ok(mut event) = serde_json::from_slice::<Event>(body) else {
        tracing::error!(replay, "an archived event is none that this version knows; it is passed over");
        return Ok(Vec::new());
    };
    event.replay_name = Some(replay.to_owned());
    inner.spread(bus.clone(), &Coming { event: &event, trace_id: None, now }, rules).await
}
