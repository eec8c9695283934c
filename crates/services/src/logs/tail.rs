//! Live Tail: who watches, and what they have not been shown yet (API Reference, `StartLiveTail`).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use lambent_model::{LogStream, Scope};
use lambent_wire::event_stream;
use lambent_wire::logs::{
    LiveTailSessionLogEvent, LiveTailSessionMetadata, LiveTailSessionStart, LiveTailSessionUpdate,
    SessionTimeoutException, StartLiveTailResponseStream,
};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use super::pattern::Pattern;

/// Events of one update; more in a second are sampled.
const EVENTS_MAX: usize = 500;
/// Bytes of them, so that a client that is slow holds little.
const BYTES_MAX: usize = 1024 * 1024;
/// Updates that wait for a slow client; those beyond are left out.
pub(super) const UPDATES_MAX: usize = 10;
/// An update comes every second, also without events.
const PERIOD: Duration = Duration::from_secs(1);
/// How long a session may last.
const LIFETIME: Duration = Duration::from_secs(3 * 3_600);
/// Sessions of an account and region (CloudWatch Logs User Guide, "CloudWatch Logs quotas").
const SESSIONS: usize = 15;

/// What a session wants to see.
pub(super) struct Wanted {
    pub(super) scope: Scope,
    pub(super) groups: Vec<String>,
    /// Empty for all.
    pub(super) streams: Vec<String>,
    /// Empty for all.
    pub(super) prefixes: Vec<String>,
    pub(super) pattern: Pattern,
}

impl Wanted {
    fn wants(&self, stream: &LogStream, message: &str) -> bool {
        let name = stream.stream.as_str();
        stream.scope == self.scope
            && self.groups.contains(&stream.group)
            && (self.streams.is_empty() || self.streams.iter().any(|wanted| wanted == name))
            && (self.prefixes.is_empty() || self.prefixes.iter().any(|prefix| name.starts_with(prefix)))
            && self.pattern.matches(message)
    }
}

/// One client that watches.
pub(super) struct Session {
    wanted: Wanted,
    pending: Mutex<Pending>,
}

#[derive(Default)]
struct Pending {
    events: Vec<LiveTailSessionLogEvent>,
    bytes: usize,
    sampled: bool,
}

impl Session {
    pub(super) fn new(wanted: Wanted) -> Self {
        Self { wanted, pending: Mutex::default() }
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn offer(&self, stream: &LogStream, at_ms: i64, ingested_ms: i64, message: &str) {
        if !self.wanted.wants(stream, message) {
            return;
        }
        let mut pending = self.pending();
        if pending.events.len() >= EVENTS_MAX || pending.bytes + message.len() > BYTES_MAX {
            pending.sampled = true;
            return;
        }
        pending.bytes += message.len();
        pending.events.push(LiveTailSessionLogEvent {
            log_stream_name: Some(stream.stream.clone()),
            log_group_identifier: Some(format!("{}:{}", stream.scope.account, stream.group)),
            message: Some(message.to_owned()),
            timestamp: Some(at_ms),
            ingestion_time: Some(ingested_ms),
        });
    }

    /// What came since the last update.
    fn update(&self) -> LiveTailSessionUpdate {
        let Pending { events, sampled, .. } = std::mem::take(&mut *self.pending());
        LiveTailSessionUpdate {
            session_metadata: Some(LiveTailSessionMetadata { sampled: Some(sampled) }),
            session_results: Some(events),
        }
    }
}

/// The sessions that watch what is written, and their tasks.
#[derive(Default)]
pub(super) struct Tail {
    sessions: Mutex<Vec<Arc<Session>>>,
    /// As many as there are sessions, for a look without a lock.
    watching: AtomicUsize,
    tasks: Mutex<JoinSet<()>>,
}

impl Tail {
    fn sessions(&self) -> MutexGuard<'_, Vec<Arc<Session>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether anybody watches.
    pub(super) fn is_watched(&self) -> bool {
        self.watching.load(Ordering::Relaxed) > 0
    }

    /// Shows an event that was just written to everybody who watches its group.
    pub(super) fn offer(&self, stream: &LogStream, at_ms: i64, ingested_ms: i64, message: &str) {
        if self.is_watched() {
            self.sessions().iter().for_each(|session| session.offer(stream, at_ms, ingested_ms, message));
        }
    }

    /// Begins a session; `None` when the account has too many. What is received is the response's body; the session ends
    /// with its receiver.
    pub(super) fn start(
        self: &Arc<Self>,
        wanted: Wanted,
        start: LiveTailSessionStart,
    ) -> Option<mpsc::Receiver<Bytes>> {
        let session = Arc::new(Session::new(wanted));
        let mut sessions = self.sessions();
        if sessions.iter().filter(|other| other.wanted.scope == session.wanted.scope).count() >= SESSIONS {
            return None;
        }
        sessions.push(Arc::clone(&session));
        self.watching.store(sessions.len(), Ordering::Relaxed);
        drop(sessions);
        let (sender, receiver) = mpsc::channel(UPDATES_MAX);
        let guard = Watching { tail: Arc::clone(self), session };
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that have ended are taken out, so that the set is as large as what runs.
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move { feed(&guard.session, &sender, start).await });
        Some(receiver)
    }

    /// Ends all sessions: their responses end.
    pub(super) fn close(&self) {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }
}

/// Takes the session off the list when its task ends, also by being aborted.
struct Watching {
    tail: Arc<Tail>,
    session: Arc<Session>,
}

impl Drop for Watching {
    fn drop(&mut self) {
        let mut sessions = self.tail.sessions();
        sessions.retain(|session| !Arc::ptr_eq(session, &self.session));
        self.tail.watching.store(sessions.len(), Ordering::Relaxed);
    }
}

/// Sends an update every second until the client is gone or the session is over.
async fn feed(session: &Session, sender: &mpsc::Sender<Bytes>, start: LiveTailSessionStart) {
    let encode = |event: &StartLiveTailResponseStream| Bytes::from(event_stream::event(event));
    let first = [
        Bytes::from(event_stream::initial_response()),
        encode(&StartLiveTailResponseStream::SessionStart(start)),
    ];
    for message in first {
        if sender.send(message).await.is_err() {
            return;
        }
    }
    let end = Instant::now() + LIFETIME;
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    while Instant::now() < end {
        tokio::select! {
            () = sender.closed() => return,
            _ = ticks.tick() => {}
        }
        let update = encode(&StartLiveTailResponseStream::SessionUpdate(session.update()));
        // A client that takes nothing loses updates and not its session.
        if let Err(mpsc::error::TrySendError::Closed(_)) = sender.try_send(update) {
            return;
        }
    }
    let over = SessionTimeoutException { message: Some("The session was open for three hours.".to_owned()) };
    // Nobody may be there any more to hear it.
    let _ = sender.send(encode(&StartLiveTailResponseStream::SessionTimeoutException(over))).await;
}

#[cfg(test)]
mod tests {
    use super::super::tests::{scope, stream};
    use super::*;

    fn session(streams: &[&str], prefixes: &[&str], pattern: &str) -> Session {
        let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        let pattern = Pattern::parse(pattern).unwrap();
        let groups = vec!["g".to_owned()];
        Session::new(Wanted {
            scope: scope(),
            groups,
            streams: owned(streams),
            prefixes: owned(prefixes),
            pattern,
        })
    }

    #[test]
    fn a_session_sees_what_it_asked_for() {
        let elsewhere = LogStream {
            scope: Scope { region: "eu-west-1".parse().unwrap(), ..scope() },
            ..(*stream("g", "a")).clone()
        };
        for (session, expected) in
            [(session(&[], &[], ""), 3), (session(&["a"], &[], ""), 2), (session(&[], &["a", "c"], "x"), 1)]
        {
            for (stream, message) in [
                (stream("g", "a"), "x"),
                (stream("g", "a"), "y"),
                (stream("g", "b"), "x"),
                (stream("h", "a"), "x"),
            ] {
                session.offer(&stream, 1, 2, message);
            }
            session.offer(&elsewhere, 1, 2, "x");
            let update = session.update();
            assert_eq!(update.session_results.unwrap().len(), expected);
            assert_eq!(session.update().session_results, Some(Vec::new()), "each event is shown once");
        }
    }

    #[test]
    fn more_than_an_update_holds_is_sampled() {
        let session = session(&[], &[], "");
        (0..EVENTS_MAX + 1).for_each(|_| session.offer(&stream("g", "a"), 1, 2, "x"));
        let update = session.update();
        assert_eq!(update.session_results.map(|events| events.len()), Some(EVENTS_MAX));
        assert_eq!(update.session_metadata.and_then(|metadata| metadata.sampled), Some(true));
    }

    #[tokio::test]
    async fn a_session_ends_with_its_client() {
        let tail = Arc::new(Tail::default());
        let wanted = || session(&[], &[], "").wanted;
        let mut bodies: Vec<_> =
            (0..SESSIONS).map(|_| tail.start(wanted(), LiveTailSessionStart::default()).unwrap()).collect();
        assert!(tail.start(wanted(), LiveTailSessionStart::default()).is_none() && tail.is_watched());
        let first = bodies[0].recv().await.expect("the initial response");
        assert!(String::from_utf8_lossy(&first).contains("initial-response"));
        drop(bodies);
        while tail.is_watched() {
            tokio::task::yield_now().await;
        }
    }
}
