//! The dispatcher with two users that have nothing to do with functions: what is enqueued is delivered, whatever fails
//! and whenever the process ends.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::collections::HashMap;
use std::future::Future;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lambent_fabric::lanes::Bounds;
use lambent_fabric::{Again, AttemptFuture, Courier, Dispatcher, Verdict};
use lambent_model::{Clock, Timestamp};
use lambent_store::queue::Message;
use lambent_store::{Store, Write};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

struct Wall;

impl Clock for Wall {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Timestamp::from_micros(since.as_micros().try_into().unwrap())
    }
}

fn put(queue: &str, body: &str) -> Write {
    Write::Enqueue { queue: queue.into(), due: Wall.now(), state: b"0".to_vec(), body: body.into() }
}

const BOUNDS: Bounds = Bounds { slots: 10, bytes: 1 << 20, first: 2 };

/// Fails as often as a letter says, counts in the message's state, and says to the next queue what it has delivered.
struct Postman {
    delivered: Arc<Mutex<HashMap<String, u32>>>,
}

impl Courier for Postman {
    fn prefix(&self) -> &'static str {
        "letters/"
    }

    fn bounds(&self) -> Bounds {
        BOUNDS
    }

    fn attempt(&self, _queue: Arc<str>, message: Message) -> AttemptFuture {
        let delivered = Arc::clone(&self.delivered);
        Box::pin(async move {
            let text = String::from_utf8(message.body).unwrap();
            let tried: u32 = std::str::from_utf8(&message.state).unwrap().parse().unwrap();
            let failures: u32 = text.split('/').next().unwrap().parse().unwrap();
            if tried < failures {
                let due = Wall.now().plus(Duration::from_millis(1));
                let state = (tried + 1).to_string().into_bytes();
                let why = if tried.is_multiple_of(2) { Again::Failing } else { Again::Own };
                return Verdict::Later { due, state, why };
            }
            *delivered.lock().unwrap().entry(text.clone()).or_default() += 1;
            Verdict::Settled(vec![put("receipts/all", &text)])
        })
    }
}

/// Takes receipts, and counts them.
struct Clerk {
    heard: Mutex<Vec<String>>,
    count: watch::Sender<usize>,
}

impl Courier for Clerk {
    fn prefix(&self) -> &'static str {
        "receipts/"
    }

    fn bounds(&self) -> Bounds {
        BOUNDS
    }

    fn attempt(&self, _queue: Arc<str>, message: Message) -> AttemptFuture {
        self.heard.lock().unwrap().push(String::from_utf8(message.body).unwrap());
        self.count.send_modify(|count| *count += 1);
        Box::pin(std::future::ready(Verdict::Settled(Vec::new())))
    }
}

fn clerk() -> (Arc<Clerk>, watch::Receiver<usize>) {
    let (count, counted) = watch::channel(0);
    (Arc::new(Clerk { heard: Mutex::default(), count }), counted)
}

/// Runs a courier until the returned sender is dropped.
fn run(store: &Store, courier: Arc<dyn Courier>) -> (oneshot::Sender<()>, JoinHandle<()>) {
    let (stop, stopped) = oneshot::channel();
    let dispatcher = Dispatcher::new(store.clone(), Arc::new(Wall), courier);
    let task = tokio::spawn(async move {
        dispatcher.run(async { drop(stopped.await) }).await.unwrap();
    });
    (stop, task)
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("it comes to an end")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_letter_is_delivered_once_and_has_a_receipt() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let letters = |queue: usize| {
        let text = move |n: usize| format!("{}/{queue}/{n}", n % 4);
        (0..40).map(move |n| put(&format!("letters/{queue}"), &text(n))).collect()
    };
    // Some are there before anybody listens.
    store.commit(letters(0)).await.unwrap();
    let delivered = Arc::new(Mutex::new(HashMap::new()));
    let (clerk, mut count) = clerk();
    let postman = run(&store, Arc::new(Postman { delivered: Arc::clone(&delivered) }));
    let office = run(&store, clerk);
    for queue in 1..5 {
        store.commit(letters(queue)).await.unwrap();
    }
    within(count.wait_for(|count| *count >= 200)).await.unwrap();
    for (stop, task) in [postman, office] {
        drop(stop);
        within(task).await.unwrap();
    }
    assert_eq!(store.waiting().await.unwrap(), []);
    let delivered = delivered.lock().unwrap();
    assert_eq!((delivered.len(), delivered.values().max()), (200, Some(&1)));
}

/// Fails as often as a line's message says, and takes down in which order they came through.
struct Line {
    heard: Mutex<Vec<String>>,
    count: watch::Sender<usize>,
}

impl Courier for Line {
    fn prefix(&self) -> &'static str {
        "lines/"
    }

    fn bounds(&self) -> Bounds {
        BOUNDS
    }

    fn is_in_order(&self, _queue: &str) -> bool {
        true
    }

    fn attempt(&self, _queue: Arc<str>, message: Message) -> AttemptFuture {
        let text = String::from_utf8(message.body).unwrap();
        let tried: u32 = std::str::from_utf8(&message.state).unwrap().parse().unwrap();
        let failures: u32 = text.split('/').next().unwrap().parse().unwrap();
        let verdict = if tried < failures {
            let due = Wall.now().plus(Duration::from_millis(3));
            Verdict::Later { due, state: (tried + 1).to_string().into_bytes(), why: Again::Failing }
        } else {
            self.heard.lock().unwrap().push(text);
            self.count.send_modify(|count| *count += 1);
            Verdict::Settled(Vec::new())
        };
        Box::pin(std::future::ready(verdict))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_keeps_its_order_waits_for_what_fails() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let (count, mut counted) = watch::channel(0);
    let line = Arc::new(Line { heard: Mutex::default(), count });
    let (stop, task) = run(&store, Arc::clone(&line) as _);
    for n in 0..15 {
        let writes = (0..4).map(|queue| put(&format!("lines/{queue}"), &format!("{}/{queue}/{n}", n % 3)));
        store.commit(writes.collect()).await.unwrap();
    }
    within(counted.wait_for(|count| *count >= 60)).await.unwrap();
    drop(stop);
    within(task).await.unwrap();
    let heard = line.heard.lock().unwrap().clone();
    for queue in 0..4 {
        let of_queue = |text: &&String| text.split('/').nth(1) == Some(&queue.to_string());
        let expected: Vec<String> = (0..15).map(|n| format!("{}/{queue}/{n}", n % 3)).collect();
        assert_eq!(heard.iter().filter(of_queue).cloned().collect::<Vec<_>>(), expected);
    }
    assert_eq!(store.waiting().await.unwrap(), []);
}

/// Takes everything, and ends nothing.
struct Stuck(watch::Sender<usize>);

impl Courier for Stuck {
    fn prefix(&self) -> &'static str {
        "receipts/"
    }

    fn bounds(&self) -> Bounds {
        Bounds { first: 10, ..BOUNDS }
    }

    fn attempt(&self, _queue: Arc<str>, _message: Message) -> AttemptFuture {
        self.0.send_modify(|count| *count += 1);
        Box::pin(std::future::pending())
    }
}

/// A process that ends without a word while messages are under way.
async fn die_with_messages(dir: &Path) {
    let store = Store::open(dir).unwrap();
    let (taken, mut count) = watch::channel(0);
    store.commit((0..20).map(|n| put("receipts/a", &n.to_string())).collect()).await.unwrap();
    let (_stop, task) = run(&store, Arc::new(Stuck(taken)));
    within(count.wait_for(|count| *count >= 5)).await.unwrap();
    task.abort();
    assert!(within(task).await.is_err());
    store.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_under_way_at_the_end_is_delivered_after_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    die_with_messages(dir.path()).await;
    let store = Store::open(dir.path()).unwrap();
    let (clerk, mut count) = clerk();
    let (stop, task) = run(&store, clerk.clone());
    within(count.wait_for(|count| *count >= 20)).await.unwrap();
    drop(stop);
    within(task).await.unwrap();
    let mut heard: Vec<u32> = clerk.heard.lock().unwrap().iter().map(|n| n.parse().unwrap()).collect();
    heard.sort_unstable();
    assert_eq!(heard, (0..20).collect::<Vec<_>>());
}
