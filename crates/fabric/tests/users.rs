//! What else is to be built from the same parts, as toys: a topic with filters, a schedule, and a mapping that hands over
//! batches in order. What is asked of the fabric is shown here before its users are there.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lambent_fabric::batch::{Batches, Ended, Item, Limits, Offered};
use lambent_fabric::lanes::Bounds;
use lambent_fabric::{AttemptFuture, Courier, Dispatcher, Verdict};
use lambent_model::{Clock, Timestamp};
use lambent_store::queue::Message;
use lambent_store::{Store, Write};
use tokio::sync::{oneshot, watch};

struct Wall;

impl Clock for Wall {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Timestamp::from_micros(since.as_micros().try_into().unwrap())
    }
}

fn put(queue: &str, body: &str, due: Timestamp) -> Write {
    Write::Enqueue { queue: queue.into(), due, state: Vec::new(), body: body.into() }
}

type Filter = fn(&str) -> bool;
type Handle = Box<dyn Fn(&str, &str) -> Vec<Write> + Send + Sync>;

/// A courier in one line: what a message of a queue is followed by.
struct Toy(&'static str, Handle);

impl Courier for Toy {
    fn prefix(&self) -> &'static str {
        self.0
    }

    fn bounds(&self) -> Bounds {
        Bounds { slots: 8, bytes: 1 << 20, first: 2 }
    }

    fn attempt(&self, queue: Arc<str>, message: Message) -> AttemptFuture {
        let writes = (self.1)(&queue, &String::from_utf8(message.body).unwrap());
        Box::pin(std::future::ready(Verdict::Settled(writes)))
    }
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("it comes to an end")
}

/// Runs couriers until `enough` says so of what the last of them was given: every body of queues that begin with `to/`.
async fn run(
    store: &Store,
    couriers: Vec<Toy>,
    enough: impl Fn(&[String]) -> bool + Send + Sync,
) -> Vec<String> {
    let heard: Arc<Mutex<Vec<String>>> = Arc::default();
    let (sender, mut count) = watch::channel(0);
    let hearing = Arc::clone(&heard);
    let last = Toy(
        "to/",
        Box::new(move |queue, body| {
            hearing.lock().unwrap().push(format!("{queue} {body}"));
            sender.send_modify(|count| *count += 1);
            Vec::new()
        }),
    );
    let mut tasks = Vec::new();
    for courier in couriers.into_iter().chain([last]) {
        let (stop, stopped) = oneshot::channel::<()>();
        let dispatcher = Dispatcher::new(store.clone(), Arc::new(Wall), Arc::new(courier));
        tasks.push((stop, tokio::spawn(dispatcher.run(async { drop(stopped.await) }))));
    }
    within(count.wait_for(|_| enough(&heard.lock().unwrap()))).await.unwrap();
    for (stop, task) in tasks {
        drop(stop);
        within(task).await.unwrap().unwrap();
    }
    let mut heard = std::mem::take(&mut *heard.lock().unwrap());
    heard.sort();
    heard
}

/// A topic: one message becomes one for each subscription whose filter it passes, in the commit that ends it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_fans_out_through_filters() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let topic = Toy(
        "topic/",
        Box::new(|_, body| {
            let filters: [(&str, Filter); 2] =
                [("all", |_| true), ("odd", |body| body.ends_with(['1', '3']))];
            let passes = filters.into_iter().filter(|(_, passes)| passes(body));
            passes.map(|(name, _)| put(&format!("to/{name}"), body, Wall.now())).collect()
        }),
    );
    store.commit((0..4).map(|n| put("topic/t", &n.to_string(), Wall.now())).collect()).await.unwrap();
    let heard = run(&store, vec![topic], |heard| heard.len() >= 6).await;
    assert_eq!(heard, ["to/all 0", "to/all 1", "to/all 2", "to/all 3", "to/odd 1", "to/odd 3"]);
    assert_eq!(store.waiting().await.unwrap(), []);
}

/// A schedule: what ends an occurrence also writes the next one, so none is lost and none comes twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schedule_writes_its_own_next_time() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let schedule = Toy(
        "schedule/",
        Box::new(|queue, body| {
            let (at, n) = body.split_once(' ').unwrap();
            let (at, n): (i64, u32) = (at.parse().unwrap(), n.parse().unwrap());
            let next = Timestamp::from_micros(at + 2_000);
            let again = (n < 4).then(|| put(queue, &format!("{} {}", next.micros(), n + 1), next));
            again.into_iter().chain([put("to/target", &n.to_string(), Wall.now())]).collect()
        }),
    );
    let now = Wall.now();
    store.commit(vec![put("schedule/s", &format!("{} 0", now.micros()), now)]).await.unwrap();
    let heard = run(&store, vec![schedule], |heard| heard.len() >= 5).await;
    assert_eq!(heard, (0..5).map(|n| format!("to/target {n}")).collect::<Vec<_>>());
    assert_eq!(store.waiting().await.unwrap(), []);
}

/// A mapping on a queue with message groups: taken under leases, filtered, handed over in batches that keep each group's
/// order whatever fails, and each batch settled in one commit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mapping_hands_over_batches_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let groups = ["a", "b", "c"];
    let body = |n: usize| format!("{} {n}", groups[n % 3]);
    store.commit((0..60).map(|n| put("fifo", &body(n), Wall.now())).collect()).await.unwrap();
    let limits = Limits { count: 7, bytes: 1000, window: Duration::ZERO, batches: 2, items: 20, mixed: true };
    let text = |message: &Message| String::from_utf8(message.body.clone()).unwrap();
    let mut batches = Batches::new(limits, move |message: &Message| !text(message).ends_with('9'));
    let (mut handled, mut round): (HashMap<String, Vec<u32>>, u32) = (HashMap::new(), 0);
    while !store.waiting().await.unwrap().is_empty() {
        let now = Wall.now();
        let taken = store.take("fifo", now, batches.room(), 1 << 20).await.unwrap();
        let mut finished = Vec::new();
        for message in taken.messages {
            let (lease, key) = (message.lease, text(&message)[..1].into());
            match batches.offer(Item { key: Some(key), bytes: message.body.len(), value: message }, now) {
                Offered::Taken => {}
                Offered::Filtered(_) => finished.push(Write::Finish { lease }),
                Offered::Full(_) => panic!("no more was taken than there is room for"),
            }
        }
        while let Some(batch) = batches.next(now) {
            round += 1;
            // Every second batch fails from its third item on.
            let good = if round.is_multiple_of(2) { 2.min(batch.items.len()) } else { batch.items.len() };
            for message in &batch.items[..good] {
                let text = text(message);
                let (group, n) = text.split_once(' ').unwrap();
                handled.entry(group.to_owned()).or_default().push(n.parse().unwrap());
                finished.push(Write::Finish { lease: message.lease });
            }
            let failed: Vec<usize> = (good..batch.items.len()).collect();
            batches.ended(batch.id, &if failed.is_empty() { Ended::Done } else { Ended::Again(failed, now) });
        }
        store.commit(finished).await.unwrap();
    }
    assert!(handled.values().all(|numbers| numbers.is_sorted()), "{handled:?}");
    let mut all: Vec<u32> = handled.into_values().flatten().collect();
    all.sort_unstable();
    assert_eq!(all, (0..60).filter(|n| n % 10 != 9).collect::<Vec<_>>());
    assert_eq!(batches.room(), 20);
}
