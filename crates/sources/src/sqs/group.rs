//! The pollers of one mapping as a table of what happened and what follows. Pure: time comes in, effects go out.
//!
//! ```text
//! Receive ─▶ Received ─▶ filter ─▶ batches ─▶ Invoke ─▶ Ended ─┬─ succeeded ─▶ Delete
//!    ▲                     └────▶ Delete                       ├─ failed: nobody touches it until the queue shows it again
//!    └── while there is room for what it may bring             └─ refused: again, until the queue shows it again
//! ```
//!
//! One call waits long where nothing is there; where there is more, several fetch beside each other. No more is fetched
//! than may be under way, so that no message waits here while its visibility timeout runs out. Nothing is deleted before
//! its function has succeeded with it.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use lambent_fabric::batch::{Batch, BatchId, Batches, Ended, Item, Offered};
use lambent_model::{EventCount, Timestamp, trace};

use super::message::Message;
use super::response::{self, Verdict};
use super::settings::Settings;
use crate::backoff::{Backoff, Trouble};
use crate::scaling::Scaling;

/// The longest that `ReceiveMessage` waits.
const LONGEST_POLL: Duration = Duration::from_secs(20);
/// How long it waits in a mapping that has just begun or had messages: a change does not have to wait for a call that
/// waits for messages. Doubled with each call that brings none.
const FIRST_POLL: Duration = Duration::from_secs(2);
/// Calls that fetch beside each other while there is a backlog. One brings ten messages in some milliseconds.
const FETCHERS: usize = 4;

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// A call has brought messages, or none.
    Received(Vec<Message>),
    /// A call could not be made, or the function could take nothing.
    NotReceived(Trouble),
    /// An attempt has ended.
    Ended(BatchId, Attempt),
    /// Deletions have ended: how many messages are gone.
    Deleted(u64),
    /// Time has passed.
    Woke,
    /// The mapping was changed.
    Changed(Box<Settings>),
    /// Nothing more is to be fetched; what is here is finished.
    Stop,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempt {
    /// The function's answer.
    Succeeded(bytes::Bytes),
    /// The function failed.
    Failed,
    /// The function did not get it: there was no concurrency, or it is not ready.
    Refused,
    /// The function has been part of the chain too often.
    Recursive,
    /// The server goes down.
    Left,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum Effect {
    /// Fetch messages.
    Receive {
        /// At most so many.
        most: usize,
        /// Waiting so long for the first.
        wait: Duration,
    },
    /// Hand a batch over.
    Invoke(BatchId, Arc<[Arc<Message>]>),
    /// Delete messages.
    Delete(Vec<Arc<Message>>),
    /// Count messages.
    Count(EventCount, u64),
    /// The mapping is to be disabled, for this of AWS's reasons.
    GiveUp(&'static str),
}

/// A batch under way.
struct Run {
    messages: Arc<[Arc<Message>]>,
    /// Attempts that were refused.
    refused: u32,
    /// When it is attempted again, where it waits.
    due: Option<Timestamp>,
}

impl Run {
    /// When the queue begins to show its messages to others.
    fn until(&self) -> Timestamp {
        self.messages.iter().map(|message| message.until).min().expect("no batch is empty")
    }

    fn len(&self) -> u64 {
        self.messages.len() as u64
    }
}

/// See the module's text.
pub struct Group {
    settings: Settings,
    /// Seconds of a mapping's time in a second of the clock.
    pace: f64,
    batches: Batches<Arc<Message>>,
    running: BTreeMap<BatchId, Run>,
    scaling: Scaling,
    backoff: Backoff,
    /// Calls that fetch.
    receiving: usize,
    /// Deletions under way.
    deleting: usize,
    /// The last call was answered with all that it asked for.
    is_flowing: bool,
    wait: Duration,
    is_stopping: bool,
}

impl Group {
    /// Nothing is under way. `pace` is how many of its seconds a second of the clock has.
    #[must_use]
    pub fn new(settings: Settings, pace: f64) -> Self {
        let filter = settings.filter.clone();
        Self {
            batches: Batches::new(settings.limits(), move |message: &Arc<Message>| filter.passes(message)),
            scaling: Scaling::new(settings.rule),
            settings,
            pace,
            running: BTreeMap::new(),
            backoff: Backoff::new(pace),
            receiving: 0,
            deleting: 0,
            is_flowing: false,
            wait: FIRST_POLL,
            is_stopping: false,
        }
    }

    /// What follows from what happened.
    pub fn apply(&mut self, event: Event, now: Timestamp) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Received(messages) => self.received(messages, now, &mut effects),
            Event::NotReceived(trouble) => {
                self.receiving -= 1;
                self.is_flowing = false;
                effects.push(Effect::Count(EventCount::BackOffs, 1));
                if let Some(code) = self.backoff.failed(trouble, now) {
                    effects.push(Effect::GiveUp(code));
                }
            }
            Event::Ended(id, attempt) => self.ended(id, attempt, now, &mut effects),
            Event::Deleted(count) => {
                self.deleting -= 1;
                effects.push(Effect::Count(EventCount::Deleted, count));
            }
            Event::Woke => {}
            Event::Changed(settings) => self.configure(*settings, now),
            Event::Stop => {
                self.is_stopping = true;
                // What is here waits for nothing more.
                self.configure(Settings { window: Duration::ZERO, ..self.settings.clone() }, now);
            }
        }
        self.go_on(now, &mut effects);
        effects
    }

    /// When something is to be done if nothing happens.
    #[must_use]
    pub fn wake(&self, now: Timestamp) -> Option<Timestamp> {
        let free = self.running.len() < self.scaling.allowed();
        let retries = self.running.values().filter_map(|run| run.due);
        let window = self.batches.wake(now).filter(|_| free);
        let grows = self.scaling.step().map(|step| now.plus(step.div_f64(self.pace)));
        let again = self.backoff.until().filter(|until| *until > now && !self.is_stopping);
        retries.chain(window).chain(grows).chain(again).min().map(|at| at.max(now))
    }

    /// Whether it was stopped and nothing is under way any more.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.is_stopping
            && self.receiving + self.running.len() + self.deleting == 0
            && self.batches.waiting() == 0
    }

    /// Whether messages are to be counted.
    #[must_use]
    pub fn counts(&self) -> bool {
        self.settings.counts
    }

    /// Batches under way.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.running.len()
    }

    fn configure(&mut self, settings: Settings, now: Timestamp) {
        let filter = settings.filter.clone();
        self.batches.configure(settings.limits(), move |message| filter.passes(message), now);
        self.scaling.configure(settings.rule);
        self.settings = settings;
    }

    fn received(&mut self, messages: Vec<Message>, now: Timestamp, effects: &mut Vec<Effect>) {
        self.receiving -= 1;
        self.backoff.succeeded();
        self.is_flowing = messages.len() >= self.settings.most();
        if messages.is_empty() {
            self.wait = (self.wait * 2).min(LONGEST_POLL);
            self.scaling.quiet(self.running.len());
            return;
        }
        self.wait = FIRST_POLL;
        effects.push(Effect::Count(EventCount::Polled, messages.len() as u64));
        let mut filtered = Vec::new();
        for message in messages.into_iter().map(Arc::new) {
            if let Offered::Filtered(item) = self.offer(message, now) {
                filtered.push(item.value);
            }
        }
        if !filtered.is_empty() {
            effects.push(Effect::Count(EventCount::FilteredOut, filtered.len() as u64));
            self.delete(filtered, effects);
        }
    }

    fn delete(&mut self, messages: Vec<Arc<Message>>, effects: &mut Vec<Effect>) {
        if !messages.is_empty() {
            self.deleting += 1;
            effects.push(Effect::Delete(messages));
        }
    }

    fn ended(&mut self, id: BatchId, attempt: Attempt, now: Timestamp, effects: &mut Vec<Effect>) {
        let run = self.running.get_mut(&id).expect("what ended was under way");
        match attempt {
            Attempt::Succeeded(answer) => {
                let run = self.leave(id);
                self.scaling.succeeded();
                self.answered(&run, &answer, effects);
            }
            Attempt::Failed => {
                let run = self.leave(id);
                effects.push(Effect::Count(EventCount::FailedInvoke, run.len()));
                // "If you use this feature, Lambda doesn't scale down message polling when function invocations fail."
                if !self.settings.reports {
                    self.scaling.failed();
                }
            }
            Attempt::Refused => {
                let wait = self.backoff.refused(run.refused);
                run.refused += 1;
                run.due = Some(now.plus(wait));
                let is_late = run.due.is_some_and(|due| due >= run.until());
                effects.push(Effect::Count(EventCount::FailedInvoke, run.len()));
                self.scaling.failed();
                if is_late {
                    // The queue shows them again, and counts the attempt.
                    self.leave(id);
                }
            }
            Attempt::Recursive => self.split(id, now, effects),
            Attempt::Left => drop(self.leave(id)),
        }
    }

    /// Deletes what a function succeeded with.
    fn answered(&mut self, run: &Run, answer: &[u8], effects: &mut Vec<Effect>) {
        let ids: Vec<&str> = run.messages.iter().map(|message| message.id.as_str()).collect();
        let verdict = if self.settings.reports { response::read(answer, &ids) } else { Verdict::Done };
        let done: Vec<Arc<Message>> = match &verdict {
            Verdict::Done => run.messages.to_vec(),
            Verdict::AllFailed => Vec::new(),
            Verdict::Failed(places) => {
                let all = run.messages.iter().enumerate();
                all.filter(|(place, _)| places.binary_search(place).is_err())
                    .map(|(_, message)| Arc::clone(message))
                    .collect()
            }
        };
        let failed = run.messages.len() - done.len();
        if failed > 0 {
            effects.push(Effect::Count(EventCount::FailedInvoke, failed as u64));
        }
        self.delete(done, effects);
    }

    /// A batch that was stopped as part of a loop: the messages that the loop has brought stay in their queue, which gives
    /// them up as it is configured to, and so does what comes after them in order; the others are attempted without them.
    fn split(&mut self, id: BatchId, now: Timestamp, effects: &mut Vec<Effect>) {
        let run = self.leave(id);
        let mut stopped_groups = HashSet::new();
        let mut rest = Vec::new();
        for message in run.messages.iter() {
            let group = message.group.as_deref().filter(|_| self.settings.fifo);
            let header = message.trace.as_deref().unwrap_or_default();
            if trace::step(header, &self.settings.target.function).is_err() {
                stopped_groups.extend(group);
            } else if group.is_none_or(|group| !stopped_groups.contains(group)) {
                rest.push(Arc::clone(message));
            }
        }
        if rest.len() == run.messages.len() {
            // None of them tells of a loop, so that without any of them it would be one again.
            rest.clear();
        }
        effects.push(Effect::Count(EventCount::FailedInvoke, run.len() - rest.len() as u64));
        rest.into_iter().for_each(|message| drop(self.offer(message, now)));
    }

    fn offer(&mut self, message: Arc<Message>, now: Timestamp) -> Offered<Arc<Message>> {
        let key = message.group.clone().filter(|_| self.settings.fifo);
        // With the comma before it.
        let bytes = message.record.len() + 1;
        self.batches.offer(Item { key, bytes, value: message }, now)
    }

    fn leave(&mut self, id: BatchId) -> Run {
        // What failed is not kept here: the queue has it, and shows it again.
        self.batches.ended(id, &Ended::Done);
        self.running.remove(&id).expect("what ended was under way")
    }

    fn go_on(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        self.attempt_again(now, effects);
        self.batches.retain(|message| message.until > now);
        self.start(now, effects);
        let is_behind = self.is_flowing && self.running.len() >= self.scaling.allowed();
        self.scaling.observe(is_behind, now, self.pace);
        self.start(now, effects);
        self.fetch(now, effects);
    }

    fn attempt_again(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        for (id, run) in &mut self.running {
            if run.due.take_if(|due| *due <= now).is_some() {
                effects.push(Effect::Invoke(*id, Arc::clone(&run.messages)));
            }
        }
    }

    fn start(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        while self.running.len() < self.scaling.allowed() {
            let Some(Batch { id, items }) = self.batches.next(now) else { break };
            let messages: Arc<[Arc<Message>]> = items.into();
            effects.push(Effect::Count(EventCount::Invoked, messages.len() as u64));
            effects.push(Effect::Invoke(id, Arc::clone(&messages)));
            self.running.insert(id, Run { messages, refused: 0, due: None });
        }
    }

    fn fetch(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        if self.is_stopping || self.backoff.until().is_some_and(|until| until > now) {
            return;
        }
        let free = self.scaling.allowed().saturating_sub(self.running.len());
        let most = self.settings.most();
        // Deletions are calls, too: a queue that takes none is given no more work.
        let room = free.saturating_mul(self.settings.batch).saturating_sub(self.batches.waiting());
        let may_wait = 2 * self.scaling.allowed();
        let fetchers = if self.is_flowing { FETCHERS } else { 1 };
        while self.receiving < fetchers && self.receiving * most < room && self.deleting <= may_wait {
            // Of several one waits, so that there is no more of them than needed when the queue is empty.
            let wait = if self.receiving == 0 { self.wait } else { Duration::ZERO };
            self.receiving += 1;
            effects.push(Effect::Receive { most, wait });
        }
    }
}

#[cfg(test)]
mod tests;
