use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

/// An environment that counts how often it was told to end.
#[derive(Clone)]
struct Told(EnvironmentId, Arc<AtomicU32>);

impl Member for Told {
    fn id(&self) -> EnvironmentId {
        self.0
    }

    fn retire(&self) {
        self.1.fetch_add(1, Ordering::Relaxed);
    }
}

impl Told {
    fn new() -> Self {
        Self::numbered(1)
    }

    fn numbered(number: u8) -> Self {
        Self(format!("00000000-0000-4000-8000-0000000000{number:02}").parse().unwrap(), Arc::default())
    }

    fn times(&self) -> u32 {
        self.1.load(Ordering::Relaxed)
    }
}

const LIFETIME: Duration = Duration::from_secs(3600);

/// What `Status` messages count off, of the one that admission counted.
fn counted_off(pool: &Pool<Told>, member: &Told, statuses: &[Status]) -> usize {
    statuses.iter().filter(|status| pool.note(member.0, **status, Instant::now()).freed).count()
}

#[test]
fn busy_environment_is_counted_off_once_however_it_goes_on() {
    use Status::{Available, Ended, Lingering};
    for retired in [false, true] {
        for statuses in
            [&[Ended][..], &[Available, Ended], &[Lingering, Ended], &[Lingering, Available, Ended]]
        {
            let (pool, member) = (Pool::new(LIFETIME), Told::new());
            pool.add(member.clone(), None, Instant::now());
            if retired {
                pool.retire();
            }
            assert_eq!(counted_off(&pool, &member, statuses), 1, "retired {retired}: {statuses:?}");
            assert!(pool.members().all.is_empty());
        }
    }
}

#[test]
fn environment_added_to_a_retired_pool_does_one_invocation() {
    let (pool, member) = (Pool::new(LIFETIME), Told::new());
    pool.retire();
    pool.add(member.clone(), None, Instant::now());
    assert_eq!(member.times(), 0, "its invocation has not reached it yet");
    pool.note(member.0, Status::Available, Instant::now());
    assert_eq!(member.times(), 1);
    assert!(pool.take(None).is_none());
}

#[test]
fn environments_of_before_a_renewal_take_no_more_and_those_after_it_do() {
    let (pool, now) = (Pool::new(LIFETIME), Instant::now());
    let [busy, free, stock, later] = [1, 2, 3, 4].map(Told::numbered);
    pool.add(busy.clone(), None, now);
    pool.add(free.clone(), None, now);
    pool.note(free.0, Status::Available, now);
    pool.add_ahead(stock.clone(), Purpose::Stock, now);
    pool.note(stock.0, Status::Available, now);
    pool.renew();
    assert!(pool.take(None).is_none());
    assert!(pool.note(busy.0, Status::Available, now).freed, "what it was doing is counted off");
    assert!(pool.take(None).is_none());
    pool.add(later.clone(), None, now);
    pool.note(later.0, Status::Available, now);
    assert!(pool.take(None).is_some_and(|taken| taken.0 == later.0));
    assert_eq!([&busy, &free, &stock, &later].map(Told::times), [1, 1, 1, 0]);
    for member in [busy, free, stock] {
        assert!(!pool.note(member.0, Status::Ended, now).freed);
    }
    assert_eq!(pool.len(), 1);
}

#[test]
fn old_environment_ends_after_its_invocation_or_while_it_is_free() {
    let (pool, member, start) = (Pool::new(LIFETIME), Told::new(), Instant::now());
    pool.add(member.clone(), None, start);
    pool.note(member.0, Status::Available, start);
    pool.retire_idle(LIFETIME * 2, start + LIFETIME - Duration::from_secs(1));
    assert_eq!(member.times(), 0);
    assert!(pool.take(None).is_some());
    pool.note(member.0, Status::Available, start + LIFETIME);
    assert_eq!(member.times(), 1);
    assert!(pool.take(None).is_none());

    let (pool, free) = (Pool::new(LIFETIME), Told::new());
    pool.add(free.clone(), None, start);
    pool.note(free.0, Status::Available, start);
    pool.retire_idle(LIFETIME * 2, start + LIFETIME);
    assert_eq!(free.times(), 1);
}

#[tokio::test]
async fn who_waits_for_a_free_environment_gets_it() {
    let (pool, member) = (Pool::new(LIFETIME), Told::new());
    pool.add(member.clone(), None, Instant::now());
    let (waiting, free) =
        (pool.freed(None), async { pool.note(member.0, Status::Available, Instant::now()) });
    let (taken, _) = tokio::join!(waiting, free);
    assert_eq!(taken.0, member.0);
    // Freed while nobody waited, and taken by somebody else: the word of it is old.
    pool.note(member.0, Status::Available, Instant::now());
    assert!(pool.take(None).is_some());
    let waiting = tokio::time::timeout(Duration::from_millis(1), pool.freed(None));
    assert!(waiting.await.is_err());
}

#[tokio::test]
async fn an_environment_serves_one_tenant_alone() {
    let (pool, start) = (Pool::new(LIFETIME), Instant::now());
    let [blue, green] = [Told::numbered(1), Told::numbered(2)];
    for (member, tenant) in [(&blue, "blue"), (&green, "green")] {
        pool.add(member.clone(), Some(tenant.into()), start);
        pool.note(member.0, Status::Available, start);
    }
    assert!(pool.take(Some("red")).is_none());
    assert_eq!(pool.take(Some("blue")).unwrap().0, blue.0, "though the other was freed later");
    assert!(pool.take(Some("blue")).is_none());
    // Two wait, and the one whose environment it is not must not use up the word of it.
    let (red, waiting) = (pool.freed(Some("red")), pool.freed(Some("blue")));
    let freed = async { pool.note(blue.0, Status::Available, start) };
    let taken = async {
        tokio::select! { biased; _ = red => panic!("it has none"), (taken, _) = async { tokio::join!(waiting, freed) } => taken }
    };
    assert_eq!(taken.await.0, blue.0);
}

#[test]
fn of_too_many_the_one_that_has_been_idle_for_longest_ends() {
    let (pool, start) = (Pool::new(LIFETIME), Instant::now());
    let all: Vec<Told> = (1..=3).map(Told::numbered).collect();
    for (member, tenant) in all.iter().zip(["a", "b", "c"]) {
        pool.add(member.clone(), Some(tenant.into()), start);
        pool.note(member.0, Status::Available, start);
    }
    pool.keep_below(4);
    pool.keep_below(3);
    assert_eq!(all.iter().map(Told::times).collect::<Vec<_>>(), [1, 0, 0]);
    assert!(pool.take(Some("a")).is_none() && pool.take(Some("c")).is_some());
}
