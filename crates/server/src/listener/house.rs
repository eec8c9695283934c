//! Who has a place. When all are taken, the connection that nobody has used for longest makes room: those who only hold
//! on to one keep nobody out.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;

/// A connection that was used since is left alone: its client may be about to use it again.
const RECENTLY_MS: u64 = 1_000;
/// How often a full house is looked through while somebody waits at the door.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The places, and the connections that have them.
pub(super) struct House {
    places: Arc<Semaphore>,
    opened: Instant,
    seats: Mutex<Seats>,
}

#[derive(Default)]
struct Seats {
    next: u64,
    taken: HashMap<u64, Arc<Seat>>,
}

/// What a connection is doing.
pub(super) struct Seat {
    opened: Instant,
    /// Requests that have no answer yet.
    requests: AtomicUsize,
    was_used: AtomicBool,
    /// Milliseconds after `opened` at which it came or last answered.
    since: AtomicU64,
    asked: watch::Sender<bool>,
}

/// A place, until it is dropped.
pub(super) struct Place {
    house: Arc<House>,
    number: u64,
    pub(super) seat: Arc<Seat>,
    _place: OwnedSemaphorePermit,
}

impl House {
    pub(super) fn new(places: usize) -> Arc<Self> {
        Arc::new(Self {
            places: Arc::new(Semaphore::new(places)),
            opened: Instant::now(),
            seats: Mutex::default(),
        })
    }

    /// A place, as soon as there is one.
    pub(super) async fn place(self: &Arc<Self>) -> Place {
        loop {
            if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
                return self.seat(place);
            }
            self.ask_one_to_leave();
            let _left_or_not = tokio::time::timeout(LOOK_EVERY, self.places.acquire()).await;
        }
    }

    fn seat(self: &Arc<Self>, place: OwnedSemaphorePermit) -> Place {
        let seat = Arc::new(Seat {
            opened: self.opened,
            requests: AtomicUsize::new(0),
            was_used: AtomicBool::new(false),
            since: AtomicU64::new(milliseconds(self.opened)),
            asked: watch::Sender::new(false),
        });
        let mut seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        let number = seats.next;
        seats.next += 1;
        seats.taken.insert(number, Arc::clone(&seat));
        Place { house: Arc::clone(self), number, seat, _place: place }
    }

    fn ask_one_to_leave(&self) {
        let latest = milliseconds(self.opened).saturating_sub(RECENTLY_MS);
        let seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = seats.taken.values().filter(|seat| {
            seat.requests.load(Ordering::Relaxed) == 0
                && seat.since.load(Ordering::Relaxed) <= latest
                && !*seat.asked.borrow()
        });
        if let Some(seat) = idle.min_by_key(|seat| seat.since.load(Ordering::Relaxed)) {
            seat.asked.send_replace(true);
        }
    }
}

impl Seat {
    /// Counts a request until it has its answer.
    pub(super) fn begin(self: &Arc<Self>) -> Begun {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.was_used.store(true, Ordering::Relaxed);
        Begun(Arc::clone(self))
    }

    /// Resolves when the connection is to end as soon as it can without harm.
    pub(super) async fn asked(&self) {
        let mut asked = self.asked.subscribe();
        let _never_closed = asked.wait_for(|asked| *asked).await;
    }

    /// Resolves when the connection is to end and nothing was ever asked by it: half a head is all that is lost.
    pub(super) async fn asked_unused(&self) {
        self.asked().await;
        if self.was_used.load(Ordering::Relaxed) {
            std::future::pending().await
        }
    }
}

/// A request that is being answered.
pub(super) struct Begun(Arc<Seat>);

impl Drop for Begun {
    fn drop(&mut self) {
        self.0.since.store(milliseconds(self.0.opened), Ordering::Relaxed);
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut seats = self.house.seats.lock().unwrap_or_else(PoisonError::into_inner);
        seats.taken.remove(&self.number);
    }
}

fn milliseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_asked(place: &Place) -> bool {
        *place.seat.asked.borrow()
    }

    #[tokio::test(start_paused = true)]
    async fn the_one_that_nobody_used_for_longest_makes_room() {
        let house = House::new(3);
        let (busy, silent, used) = (house.place().await, house.place().await, house.place().await);
        let _under_way = busy.seat.begin();
        tokio::time::sleep(Duration::from_secs(2)).await;
        drop(used.seat.begin());
        let mut waiting = Box::pin(house.place());
        assert!(tokio::time::timeout(LOOK_EVERY * 5, &mut waiting).await.is_err());
        assert_eq!([&busy, &silent, &used].map(is_asked), [false, true, false]);
        silent.seat.asked_unused().await;
        drop(silent);
        let fourth = waiting.await;

        // What was used a moment ago stays; later it goes, but not in the middle of an answer.
        let mut waiting = Box::pin(house.place());
        assert!(tokio::time::timeout(LOOK_EVERY * 4, &mut waiting).await.is_err());
        assert_eq!([&busy, &used, &fourth].map(is_asked), [false; 3]);
        assert!(tokio::time::timeout(LOOK_EVERY * 4, &mut waiting).await.is_err());
        assert_eq!([&busy, &used, &fourth].map(is_asked), [false, true, false]);
        used.seat.asked().await;
        assert!(tokio::time::timeout(LOOK_EVERY, used.seat.asked_unused()).await.is_err());
        drop(used);
        waiting.await;
    }
}
