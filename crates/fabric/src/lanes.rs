//! From which queue to take how much, and when. Pure: time and everything that happened come in.
//!
//! - **Fair**: a queue may have as many attempts under way as slots are free. One with a million messages and slow attempts
//!   so takes half of all slots and never the last ones; a queue that comes later finds room at once.
//! - **Bounded**: slots bound the attempts, bytes the bodies in memory. What is in a queue costs nothing here.
//! - **Gentle**: a queue begins with a few attempts and has one more with each that is made, which doubles them as fast as they
//!   end. A thousand events at once do not start a thousand environments at once.
//! - **In order**, where that is asked for: such a queue has one attempt under way, and while its first message waits for another
//!   attempt, all behind it wait.
//! - **Careful**: where attempts fail, a queue's are halved, down to one, and grow by one with each that is made.
//! - **Yielding**: where an attempt was refused for lack of capacity the queue's attempts are halved, down to one, and grow by
//!   one with each that is made, up to as many as were not refused. More is tried again after a pause, that doubles while the
//!   same is found. A queue of which nothing was taken waits for as long. What waits for a function at its limit so costs an
//!   attempt in the longest pause, and not one with each that is made: each is a commit, and a place that somebody else
//!   could have.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use lambent_model::Timestamp;

/// The most messages that one reading of a queue takes. More would hide no further cost of reading.
const MOST_AT_ONCE: usize = 64;

/// The first pause after a refusal: a moment for whoever comes and goes.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// The longest. An event that was refused waits for up to five minutes; capacity that comes back is found much sooner.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What may be under way at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Attempts.
    pub slots: usize,
    /// Bytes of their bodies, within one body.
    pub bytes: usize,
    /// Attempts that a queue begins with.
    pub first: usize,
}

/// What is to be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// From which queue.
    pub queue: Arc<str>,
    /// At most so many messages.
    pub count: usize,
    /// No further message once there are so many bytes.
    pub bytes: usize,
}

/// How an attempt ended, as far as the pace is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// It was made.
    Made,
    /// Where it went did not take it. Others may be luckier, and are as due as ever.
    Failed,
    /// There was no capacity for it.
    Refused,
    /// It is made again, and what is behind it waits until then: for queues in order alone.
    Held(Timestamp),
}

#[derive(Debug)]
struct Lane {
    /// One at a time.
    in_order: bool,
    /// Until when the first message keeps all others from being taken.
    held: Option<Timestamp>,
    /// Where it is among those that wait.
    placed: Option<Timestamp>,
    /// When the first message is due that is not taken, as far as known.
    due: Option<Timestamp>,
    under_way: usize,
    /// The most attempts under way.
    most: usize,
    /// What the last refusals have shown.
    limit: Option<Limit>,
    /// What is being taken, if something is.
    taking: Option<Order>,
    /// Something arrived while messages were being taken: what the taking finds left may be out of date.
    arrived: Option<Timestamp>,
}

/// How far a queue came until it was refused.
#[derive(Debug, Clone, Copy)]
struct Limit {
    /// Attempts under way that were not.
    level: usize,
    /// The first refusal of those that came together, and how long after it there are to be no more attempts.
    begun: Timestamp,
    pause: Duration,
    /// The level of the refusals before, and the pause where these are found to be at the same.
    last: Option<(usize, Duration)>,
    /// More attempts were made since.
    passed: bool,
}

impl Limit {
    /// After a refusal beside so many others.
    fn found(before: Option<Self>, others: usize, now: Timestamp, longest: Duration) -> Self {
        let (level, begun, last) = match before {
            // What is taken together is refused together, one after the other: only the last says how far it goes.
            Some(limit) if now < limit.until() => (limit.level.min(others), limit.begun, limit.last),
            before => (others, now, before.and_then(|limit| limit.next(longest))),
        };
        let pause = match last {
            Some((before, pause)) if level <= before => pause,
            _ => FIRST_PAUSE.min(longest),
        };
        Self { level, begun, pause, last, passed: false }
    }

    /// A queue that gets nothing at times, and something in between, is not one that gets nothing.
    fn next(self, longest: Duration) -> Option<(usize, Duration)> {
        let again = (self.level, (self.pause * 2).min(longest));
        (self.level > 0 || !self.passed).then_some(again)
    }

    fn until(&self) -> Timestamp {
        self.begun.plus(self.pause)
    }

    /// Whether there may be one more than `most`, now that one of so many under way has been made. One beyond the level
    /// at first; once that has been made, as many as there were before anything was refused.
    fn permits_more(&mut self, most: usize, under_way: usize, now: Timestamp) -> bool {
        let is_over = now >= self.until();
        self.passed |= is_over && under_way > self.level;
        most < self.level || is_over && (most == self.level || self.passed)
    }
}

/// See the module's text.
#[derive(Debug)]
pub struct Lanes {
    bounds: Bounds,
    longest_pause: Duration,
    lanes: HashMap<Arc<str>, Lane>,
    /// Those that have something to take and take nothing at the moment, by the time from which on.
    waiting: BTreeSet<(Timestamp, Arc<str>)>,
    under_way: usize,
    bytes: usize,
}

impl Lanes {
    /// No queues yet. After refusals none pauses for longer than `longest_pause`, which is [`LONGEST_PAUSE`] where time is
    /// not shortened.
    #[must_use]
    pub fn new(bounds: Bounds, longest_pause: Duration) -> Self {
        Self {
            bounds,
            longest_pause,
            lanes: HashMap::new(),
            waiting: BTreeSet::new(),
            under_way: 0,
            bytes: 0,
        }
    }

    /// A message has come to a queue, or has come back to it.
    pub fn arrived(&mut self, queue: &Arc<str>, due: Timestamp) {
        self.arrive(queue, due, false);
    }

    /// The same for a queue whose messages are delivered in the order of their due times. One that comes back keeps its
    /// own, and is [`Pace::Held`].
    pub fn arrived_in_order(&mut self, queue: &Arc<str>, due: Timestamp) {
        self.arrive(queue, due, true);
    }

    fn arrive(&mut self, queue: &Arc<str>, due: Timestamp, in_order: bool) {
        let most = if in_order { 1 } else { self.bounds.first };
        let lane = self.lanes.entry(Arc::clone(queue)).or_insert(Lane {
            in_order,
            held: None,
            placed: None,
            due: None,
            under_way: 0,
            most,
            limit: None,
            taking: None,
            arrived: None,
        });
        if lane.taking.is_some() {
            lane.arrived = earlier(lane.arrived, Some(due));
            return;
        }
        let before = lane.due;
        lane.due = earlier(before, Some(due));
        if lane.due != before {
            self.place(queue);
        }
    }

    /// The next taking that is due and within bounds. Its end is to be told by [`Lanes::taken`].
    pub fn next(&mut self, now: Timestamp) -> Option<Order> {
        let free = self.bounds.slots - self.under_way;
        if free == 0 || self.bytes >= self.bounds.bytes {
            return None;
        }
        let order = self.waiting.iter().take_while(|(due, _)| *due <= now).find_map(|(_, queue)| {
            let lane = &self.lanes[queue];
            // As many as are free, counted after the taking: u + x <= f - x. The last slot is anybody's who has none.
            let fair = free.saturating_sub(lane.under_way).div_ceil(2);
            let count = fair.min(lane.most.saturating_sub(lane.under_way)).min(MOST_AT_ONCE);
            let bytes = self.bounds.bytes - self.bytes;
            (count > 0).then(|| Order { queue: Arc::clone(queue), count, bytes: bytes.div_ceil(2) })
        })?;
        let lane = self.lanes.get_mut(&order.queue).expect("those that wait are known");
        (lane.due, lane.held) = (None, None);
        lane.taking = Some(order.clone());
        // Slots are given away before they are used; bytes are known only afterwards, so nobody else takes meanwhile.
        lane.under_way += order.count;
        self.under_way += order.count;
        self.bytes += order.bytes;
        self.place(&order.queue);
        Some(order)
    }

    /// A taking has ended: with so many messages, of so many bytes, and with the time when the next one is due that is left.
    pub fn taken(&mut self, queue: &Arc<str>, count: usize, bytes: usize, next: Option<Timestamp>) {
        let lane = self.lanes.get_mut(queue).expect("a lane stays while it takes");
        let order = lane.taking.take().expect("one taking at a time is told once");
        let unused = order.count.saturating_sub(count);
        lane.under_way -= unused;
        self.under_way -= unused;
        self.bytes = self.bytes - order.bytes + bytes;
        lane.due = earlier(next, lane.arrived.take());
        self.place(queue);
    }

    /// An attempt has ended at `now`, with so many bytes of body.
    pub fn ended(&mut self, queue: &Arc<str>, bytes: usize, pace: Pace, now: Timestamp) {
        let slots = self.bounds.slots;
        let lane = self.lanes.get_mut(queue).expect("a lane stays while attempts are under way");
        match pace {
            Pace::Held(until) => {
                // That it has come back may be heard of only later, and a lane without anything would be forgotten.
                lane.due = earlier(lane.due, Some(until));
                lane.held = Some(until);
            }
            Pace::Made | Pace::Failed | Pace::Refused if lane.in_order => {}
            Pace::Failed => lane.most = (lane.under_way / 2).clamp(1, lane.most),
            Pace::Made => {
                let (most, under_way) = (lane.most, lane.under_way);
                let more = lane.limit.as_mut().is_none_or(|limit| limit.permits_more(most, under_way, now));
                lane.most = (most + usize::from(more)).min(slots);
            }
            Pace::Refused => {
                let limit = Limit::found(lane.limit, lane.under_way - 1, now, self.longest_pause);
                lane.most = (lane.under_way / 2).clamp(1, lane.most);
                lane.held = (limit.level == 0).then(|| limit.until());
                lane.limit = Some(limit);
            }
        }
        lane.under_way -= 1;
        self.under_way -= 1;
        self.bytes -= bytes;
        self.place(queue);
    }

    /// When [`Lanes::next`] may have more to say than now, if nothing else happens.
    #[must_use]
    pub fn wake(&self, now: Timestamp) -> Option<Timestamp> {
        // Those due already wait for a slot, which comes with an end.
        self.waiting.range((just_after(now), Arc::from(""))..).next().map(|(due, _)| *due)
    }

    /// Attempts under way, and slots that a taking has been given.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.under_way
    }

    /// Puts a lane where its due time says.
    fn place(&mut self, queue: &Arc<str>) {
        let lane = self.lanes.get_mut(queue).expect("a lane stays while something is done with it");
        if let Some(before) = lane.placed.take() {
            self.waiting.remove(&(before, Arc::clone(queue)));
        }
        match lane.due {
            // One that has as many attempts as it may have is looked at when one of them ends, and not at every arrival of
            // any queue.
            Some(due) if lane.taking.is_none() && lane.under_way < lane.most => {
                let due = lane.held.map_or(due, |held| due.max(held));
                lane.placed = Some(due);
                self.waiting.insert((due, Arc::clone(queue)));
            }
            None if lane.under_way == 0 && lane.taking.is_none() => drop(self.lanes.remove(queue)),
            _ => {}
        }
    }
}

fn earlier(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    a.into_iter().chain(b).min()
}

fn just_after(time: Timestamp) -> Timestamp {
    Timestamp::from_micros(time.micros().saturating_add(1))
}

#[cfg(test)]
mod tests;
