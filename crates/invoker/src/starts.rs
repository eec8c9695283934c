//! Whose turn it is to start an environment, when more are wanted at once than the host has processors for.
//!
//! A start is work for a processor: a sandbox, an interpreter, the function's own code. Of a hundred that run side by side
//! none is ready before nearly all are; one after the other the first are ready at once, the median after half of the time,
//! and the last no later. Besides, whoever waits for a turn can be given an environment that has become free meanwhile.
//!
//! A start that waits for something else, such as a server that it asks for its settings, keeps nobody back: the next one
//! begins as soon as a processor has nothing to do, or when the turn has lasted for [`LONGEST`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// What an interpreter takes to start on a busy processor. After this long a start goes on, but holds up nobody.
const LONGEST: Duration = Duration::from_millis(250);
/// How often who is next in the queue looks whether a processor has become idle: a fraction of what a start takes.
const LOOK: Duration = Duration::from_millis(5);
/// For each processor: one that is worked at, and one for while that waits for the launcher or the kernel.
const FOR_EACH_CPU: usize = 2;

/// Whether a processor of the host has nothing to do at this moment.
pub(crate) type IsIdle = Box<dyn Fn() -> bool + Send + Sync>;

/// See the module's text.
pub struct Starts {
    most: usize,
    is_idle: IsIdle,
    under_way: Mutex<UnderWay>,
    /// A turn has ended.
    ended: Notify,
    /// Held by who is next; the others queue for it, in the order of their arrival.
    next: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct UnderWay {
    /// When each began.
    turns: BTreeMap<u64, Instant>,
    last: u64,
}

/// The right to start one environment. It ends when it is dropped.
pub(crate) struct Turn {
    starts: Arc<Starts>,
    number: u64,
}

impl Starts {
    /// For this host.
    pub(crate) fn here() -> Arc<Self> {
        let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self::new(cpus * FOR_EACH_CPU, Box::new(move || runnable().is_some_and(|tasks| tasks <= cpus)))
    }

    fn new(most: usize, is_idle: IsIdle) -> Arc<Self> {
        let (under_way, ended, next) = (Mutex::default(), Notify::new(), tokio::sync::Mutex::default());
        Arc::new(Self { most, is_idle, under_way, ended, next })
    }

    /// Waits for a turn, behind those who have waited for longer.
    pub(crate) async fn turn(self: &Arc<Self>) -> Turn {
        let _next = self.next.lock().await;
        loop {
            let ended = self.ended.notified();
            if let Some(turn) = self.try_turn(Instant::now(), false) {
                return turn;
            }
            // What has just ended is made up for first; the processors are looked at when nothing does.
            if tokio::time::timeout(LOOK, ended).await.is_err()
                && let Some(turn) = self.try_turn(Instant::now(), (self.is_idle)())
            {
                return turn;
            }
        }
    }

    /// A turn, if there is one to be had at this moment, or one more may be.
    fn try_turn(self: &Arc<Self>, now: Instant, one_more: bool) -> Option<Turn> {
        let mut under_way = self.under_way();
        if !one_more && under_way.hindering(now) >= self.most {
            return None;
        }
        under_way.last += 1;
        let number = under_way.last;
        under_way.turns.insert(number, now);
        Some(Turn { starts: Arc::clone(self), number })
    }

    /// Whether environments are starting for somebody who waits: what may be done at any time had better wait.
    #[must_use]
    pub fn are_under_way(&self) -> bool {
        self.under_way().hindering(Instant::now()) > 0
    }

    /// Resolves when none is starting, or is not for the moment.
    pub async fn quiet(&self) {
        while self.are_under_way() {
            // Turns also cease to count with time, of which nobody is told. When several wait for the word, who misses it
            // looks a little later.
            let _either = tokio::time::timeout(LONGEST, self.ended.notified()).await;
        }
    }

    fn under_way(&self) -> MutexGuard<'_, UnderWay> {
        // Nothing panics while it is held.
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UnderWay {
    /// How many of them hold up others.
    fn hindering(&self, now: Instant) -> usize {
        self.turns.values().filter(|began| now.duration_since(**began) < LONGEST).count()
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.starts.under_way().turns.remove(&self.number);
        self.starts.ended.notify_waiters();
    }
}

/// Tasks of the host that run or could, without this one (proc_loadavg(5), the fourth field); `None` where the host does not
/// say.
fn runnable() -> Option<usize> {
    parse_runnable(&std::fs::read_to_string("/proc/loadavg").ok()?)
}

fn parse_runnable(text: &str) -> Option<usize> {
    let (running, _all) = text.split_whitespace().nth(3)?.split_once('/')?;
    Some(running.parse::<usize>().ok()?.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    fn starts(most: usize) -> (Arc<Starts>, Arc<AtomicBool>) {
        let idle = Arc::new(AtomicBool::new(false));
        let looked_at = Arc::clone(&idle);
        (Starts::new(most, Box::new(move || looked_at.load(Ordering::Relaxed))), idle)
    }

    /// Whether somebody who waits gets a turn, when as much time has gone by as there is reason to look.
    async fn gets_one(starts: &Arc<Starts>) -> Option<Turn> {
        tokio::time::timeout(LOOK * 3, starts.turn()).await.ok()
    }

    #[tokio::test(start_paused = true)]
    async fn turns_are_given_up_to_the_limit_and_again_when_one_ends() {
        let (starts, _idle) = starts(2);
        let first = gets_one(&starts).await.unwrap();
        let second = gets_one(&starts).await.unwrap();
        assert!(starts.are_under_way());
        assert!(gets_one(&starts).await.is_none());
        drop(first);
        let third = gets_one(&starts).await.unwrap();
        assert!(gets_one(&starts).await.is_none());
        drop((second, third));
        assert!(!starts.are_under_way());
        starts.quiet().await;
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_processor_begins_one_more() {
        let (starts, idle) = starts(1);
        let _waits_for_the_network = gets_one(&starts).await.unwrap();
        assert!(gets_one(&starts).await.is_none());
        idle.store(true, Ordering::Relaxed);
        assert!(gets_one(&starts).await.is_some());
    }

    #[tokio::test]
    async fn a_long_start_holds_up_nobody() {
        let (starts, _idle) = starts(1);
        let begun = Instant::now();
        let _long = starts.try_turn(begun, false).unwrap();
        assert!(starts.try_turn(begun + LONGEST / 2, false).is_none());
        assert!(starts.try_turn(begun + LONGEST, false).is_some());
    }

    #[test]
    fn runnable_tasks_are_read_without_the_reader() {
        assert_eq!(parse_runnable("0.94 0.93 1.52 3/512 4711\n"), Some(2));
        assert_eq!(parse_runnable("garbage"), None);
        assert!(runnable().is_some(), "Linux says so");
    }
}
