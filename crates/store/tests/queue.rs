//! What every engine of the durable queue has to do. Each check takes a way to open one, so that a second engine runs
//! the same checks.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lambent_model::Timestamp;
use lambent_store::queue::{Arrival, ArrivalsError, Extent, Lease, Message, Place};
use lambent_store::{Error, Expect, Key, Store, Write};

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn put(queue: &str, due: i64, body: &str) -> Write {
    Write::Enqueue { queue: queue.into(), due: at(due), state: b"new".to_vec(), body: body.into() }
}

fn record(expect: Expect) -> Write {
    let key = Key { kind: "thing", partition: "p".into(), name: "a".into() };
    Write::Put { key, expect, body: b"{}".to_vec() }
}

fn texts(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| std::str::from_utf8(&message.body).unwrap()).collect()
}

async fn take(store: &Store, now: i64) -> Vec<Message> {
    store.take("q", at(now), 100, usize::MAX).await.unwrap().messages
}

async fn check(open: impl Fn(&Path) -> Result<Store, Error>) {
    messages_come_in_the_order_of_their_due_times(&open).await;
    a_message_is_taken_once_until_it_is_settled(&open).await;
    a_settled_lease_is_worth_nothing(&open).await;
    messages_share_the_fate_of_their_commit(&open).await;
    messages_outlive_the_store_and_leases_do_not(&open).await;
    arrivals_tell_of_everything_that_can_be_taken(&open).await;
    many_takers_share_without_overlap(&open).await;
    a_queue_that_nobody_takes_from_is_read_in_order_and_discarded_from_its_beginning(&open).await;
}

async fn messages_come_in_the_order_of_their_due_times(open: &impl Fn(&Path) -> Result<Store, Error>) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    let writes = [("c", 20), ("a", 10), ("b", 10), ("d", 30)].map(|(body, due)| put("q", due, body));
    store.commit(writes.into()).await.unwrap();
    store.commit(vec![put("other", 1, "x")]).await.unwrap();
    assert_eq!(store.take("q", at(9), 9, 9).await.unwrap().next, Some(at(10)));
    let first = store.take("q", at(25), 1, usize::MAX).await.unwrap();
    assert_eq!((texts(&first.messages), first.next), (vec!["a"], Some(at(10))));
    // The second body is the first to reach the bound, and so the last.
    let second = store.take("q", at(25), 100, 2).await.unwrap();
    assert_eq!((texts(&second.messages), second.next), (vec!["b", "c"], Some(at(30))));
    assert_eq!((second.messages[1].due, &second.messages[1].state[..]), (at(20), &b"new"[..]));
    assert_eq!(store.take("nothing", at(99), 9, 9).await.unwrap(), Default::default());
    store.close().await.unwrap();
}

async fn a_message_is_taken_once_until_it_is_settled(open: &impl Fn(&Path) -> Result<Store, Error>) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    let ids = store.commit(vec![put("q", 0, "a"), put("q", 0, "b"), put("q", 0, "c")]).await.unwrap();
    let taken = take(&store, 1).await;
    assert_eq!(taken.iter().map(|message| message.lease.id()).collect::<Vec<_>>(), ids);
    assert!(take(&store, 1).await.is_empty());
    let [a, b, c] = [0, 1, 2].map(|index: usize| taken[index].lease);
    store.release(&[a]);
    let postponed = Write::Postpone { lease: b, due: at(50), state: b"tried".to_vec() };
    store.commit(vec![postponed, Write::Finish { lease: c }]).await.unwrap();
    let again = take(&store, 1).await;
    assert_eq!(texts(&again), ["a"]);
    let later = take(&store, 50).await;
    assert_eq!((texts(&later), &later[0].state[..], later[0].lease.id()), (vec!["b"], &b"tried"[..], b.id()));
    store.close().await.unwrap();
}

async fn a_settled_lease_is_worth_nothing(open: &impl Fn(&Path) -> Result<Store, Error>) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    store.commit(vec![put("q", 0, "a")]).await.unwrap();
    let first = take(&store, 1).await[0].lease;
    store.release(&[first]);
    let second = take(&store, 1).await[0].lease;
    let lost = async |lease: Lease| {
        let finish = store.commit(vec![Write::Finish { lease }]).await;
        let postpone = store.commit(vec![Write::Postpone { lease, due: at(0), state: Vec::new() }]).await;
        [finish, postpone]
            .iter()
            .all(|result| matches!(result, Err(Error::LeaseLost { id }) if *id == lease.id()))
    };
    assert!(lost(first).await);
    store.release(&[first]);
    assert!(take(&store, 1).await.is_empty(), "an old lease frees nothing");
    let twice = vec![Write::Finish { lease: second }, Write::Finish { lease: second }];
    assert!(store.commit(twice).await.is_err());
    store.commit(vec![Write::Finish { lease: second }]).await.unwrap();
    assert!(lost(second).await);
    assert!(take(&store, 1).await.is_empty());
    store.close().await.unwrap();
}

async fn messages_share_the_fate_of_their_commit(open: &impl Fn(&Path) -> Result<Store, Error>) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    store.commit(vec![put("q", 0, "a")]).await.unwrap();
    let lease = take(&store, 1).await[0].lease;
    // Settled, passed on and noted together, or not at all.
    let writes = |expect| vec![Write::Finish { lease }, put("dead", 0, "a"), record(expect)];
    assert!(matches!(store.commit(writes(Expect::Present)).await, Err(Error::Conflict { .. })));
    assert!(store.take("dead", at(1), 9, 9).await.unwrap().messages.is_empty());
    store.commit(writes(Expect::Absent)).await.unwrap();
    assert_eq!(store.take("dead", at(1), 9, 9).await.unwrap().messages.len(), 1);
    store.release(&[lease]);
    assert!(take(&store, 1).await.is_empty());
    store.close().await.unwrap();
}

async fn messages_outlive_the_store_and_leases_do_not(open: &impl Fn(&Path) -> Result<Store, Error>) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    let writes = vec![put("q", 0, "leased"), put("q", 1, "done"), put("q", 2, "free"), put("r", 9, "r")];
    store.commit(writes).await.unwrap();
    let taken = take(&store, 1).await;
    store.commit(vec![Write::Finish { lease: taken[1].lease }]).await.unwrap();
    store.close().await.unwrap();

    let store = open(dir.path()).unwrap();
    let arrival = |queue: &str, due| Arrival { queue: queue.into(), due: at(due) };
    assert_eq!(store.waiting().await.unwrap(), [arrival("q", 0), arrival("r", 9)]);
    assert_eq!(texts(&take(&store, 5).await), ["leased", "free"]);
    let id = store.commit(vec![put("q", 0, "new")]).await.unwrap()[0];
    assert!(id > taken[1].lease.id(), "a number must not come back after a restart");
    store.close().await.unwrap();
}

async fn arrivals_tell_of_everything_that_can_be_taken(open: &impl Fn(&Path) -> Result<Store, Error>) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    let mut arrivals = store.arrivals();
    let arrival = |queue: &str, due| Ok(Arrival { queue: queue.into(), due: at(due) });
    store.commit(vec![put("refused", 0, ""), record(Expect::Present)]).await.unwrap_err();
    store.commit(vec![put("q", 7, "")]).await.unwrap();
    assert_eq!(arrivals.next().await, arrival("q", 7));
    let lease = take(&store, 7).await[0].lease;
    store.commit(vec![Write::Postpone { lease, due: at(8), state: Vec::new() }]).await.unwrap();
    assert_eq!(arrivals.next().await, arrival("q", 8));
    // Whoever has heard of it can take it: the lease ended before.
    assert_eq!(take(&store, 8).await.len(), 1);
    store.commit(vec![put("r", 5, ""), put("s", 6, ""), put("r", 4, ""), put("r", 9, "")]).await.unwrap();
    // Of one queue once, at the earliest time.
    assert_eq!((arrivals.next().await, arrivals.next().await), (arrival("r", 4), arrival("s", 6)));
    for _ in 0..10 {
        store.commit((0..1000).map(|n| put(&format!("many{n}"), 0, "")).collect()).await.unwrap();
    }
    assert!(matches!(arrivals.next().await, Err(ArrivalsError::Lagged { .. })));
    store.close().await.unwrap();
    while arrivals.next().await != Err(ArrivalsError::Closed) {}
}

async fn many_takers_share_without_overlap(open: &impl Fn(&Path) -> Result<Store, Error>) {
    const MESSAGES: usize = 2000;
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    let mut arrivals = tokio::task::JoinSet::new();
    for part in 0..4 {
        let store = store.clone();
        arrivals.spawn(async move {
            for n in 0..MESSAGES / 4 {
                store.commit(vec![put("q", 0, &(part * MESSAGES + n).to_string())]).await.unwrap();
            }
        });
    }
    let left = Arc::new(AtomicUsize::new(MESSAGES));
    let mut takers = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (store, left) = (store.clone(), Arc::clone(&left));
        takers.spawn(async move {
            let mut seen = Vec::new();
            while left.load(Ordering::Relaxed) > 0 {
                let messages = store.take("q", at(1), 7, usize::MAX).await.unwrap().messages;
                left.fetch_sub(messages.len(), Ordering::Relaxed);
                let finish = messages.iter().map(|message| Write::Finish { lease: message.lease }).collect();
                store.commit(finish).await.unwrap();
                seen.extend(messages.into_iter().map(|message| message.body));
            }
            seen
        });
    }
    while let Some(result) = arrivals.join_next().await {
        result.unwrap();
    }
    let mut seen = Vec::new();
    while let Some(part) = takers.join_next().await {
        seen.extend(part.unwrap());
    }
    assert_eq!((seen.len(), seen.iter().collect::<BTreeSet<_>>().len()), (MESSAGES, MESSAGES));
    assert!(take(&store, 1).await.is_empty());
    store.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_keeps_the_contract() {
    check(Store::open).await;
}

async fn a_queue_that_nobody_takes_from_is_read_in_order_and_discarded_from_its_beginning(
    open: &impl Fn(&Path) -> Result<Store, Error>,
) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    let writes = (0..6).map(|n| put("log", n / 2, &format!("body-{n}"))).collect();
    store.commit(writes).await.unwrap();
    let bodies = async |after, until, count, bytes| -> (Vec<String>, Option<Place>) {
        let found = store.entries("log", after, at(until), count, bytes).await.unwrap();
        let last = found.last().map(|entry| entry.place);
        (found.into_iter().map(|entry| String::from_utf8(entry.body).unwrap()).collect(), last)
    };
    let (first, last) = bodies(Place::before(at(0)), 3, 4, 1000).await;
    assert_eq!(first, ["body-0", "body-1", "body-2", "body-3"]);
    assert_eq!(bodies(last.unwrap(), 3, 4, 1000).await.0, ["body-4", "body-5"]);
    assert_eq!(bodies(Place::before(at(1)), 2, 9, 1000).await.0, ["body-2", "body-3"], "before the end");
    assert_eq!(bodies(Place::before(at(0)), 3, 9, 7).await.0.len(), 2, "one past the bytes");
    assert_eq!(store.extent("log").await.unwrap(), Extent { count: 6, bytes: 36 });
    let discard = |before, count| vec![Write::Discard { queue: "log".into(), before: at(before), count }];
    store.commit(discard(2, 3)).await.unwrap();
    assert_eq!(bodies(Place::before(at(0)), 3, 9, 1000).await.0, ["body-3", "body-4", "body-5"]);
    store.commit(discard(2, 3)).await.unwrap();
    assert_eq!(store.extent("log").await.unwrap().count, 2, "what is due later stays");
    assert_eq!(store.extent("other").await.unwrap(), Extent::default());
    store.close().await.unwrap();
}
