//! The handle that owners hold.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use lambent_model::{MetricSink, Timestamp, Work};
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use super::failpoint::{self, Moment};
use super::writer::{Command, Outcome, Task, Told, Writer};
use super::{Changes, Error, Key, Partition, Record, Write, feed, readers::Readers, schema};
use crate::mailbox::{self, Answer, Depth, Expired, Op};
use crate::queue::{self, Arrival, Arrivals, Entry, Extent, Lease, Leases, Place, Taken};

/// Commits that may wait for the writer. When the disk is slower than the callers they wait here, in order, and
/// the callers with them; a thousand are about a tenth of a second of a slow disk's group commits.
const QUEUE: usize = 1024;

/// Records on one machine's disk. Cheap to clone; all clones are the same store.
///
/// The data directory is free again after [`Store::close`]; a store that is only dropped frees it a moment later,
/// when its writer has finished.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    commands: mpsc::Sender<Command>,
    feed: broadcast::WeakSender<super::Change>,
    last_version: Arc<AtomicU64>,
    arrivals: broadcast::WeakSender<Arrival>,
    leases: Arc<Leases>,
    readers: Readers,
    metrics: OnceLock<Arc<dyn MetricSink>>,
}

impl Store {
    /// Opens `lambent.db` in `dir`, creating both where they are missing, and takes the directory for this process.
    ///
    /// # Errors
    /// [`Error::InUse`], [`Error::NewerSchema`], [`Error::Corrupt`], [`Error::DiskFull`] or [`Error::Io`].
    pub fn open(dir: &Path) -> Result<Self, Error> {
        schema::create_dir(dir)?;
        let lock = schema::lock(dir)?;
        let path = dir.join("lambent.db");
        let conn = schema::open_for_writing(&path)?;
        let (feed, _) = broadcast::channel(feed::BACKLOG);
        let weak_feed = feed.downgrade();
        let last_version = Arc::new(AtomicU64::new(0));
        let (arrivals, _) = broadcast::channel(queue::BACKLOG);
        let weak_arrivals = arrivals.downgrade();
        let leases = Arc::new(Leases::default());
        let (announced, heard) = watch::channel(0);
        let told = Told { feed, arrivals, last_version: Arc::clone(&last_version), announced };
        let writer = Writer::new(conn, path.clone(), told, Arc::clone(&leases), lock)?;
        let readers = Readers::open(path.clone(), heard)?;
        let (commands, queue) = mpsc::channel(QUEUE);
        // The thread ends when the store is closed or its last handle is dropped: the channel is its only input.
        std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || writer.run(queue))
            .map_err(|e| Error::from_io(&path, &e))?;
        let inner = Inner {
            commands,
            feed: weak_feed,
            last_version,
            arrivals: weak_arrivals,
            leases,
            readers,
            metrics: OnceLock::new(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Has the time of every commit from now on measured by `metrics`. The first call counts.
    #[must_use]
    pub fn measured_by(self, metrics: Arc<dyn MetricSink>) -> Self {
        self.inner.metrics.get_or_init(|| metrics);
        self
    }

    /// Commits the writes together and returns their versions, in order. When it returns they are on the disk and
    /// in the change feed. Writes are applied one after the other: a later one sees the earlier ones.
    ///
    /// A caller that stops waiting does not undo the commit.
    ///
    /// # Errors
    /// [`Error::Conflict`] when a record is not as expected, [`Error::LeaseLost`] when a message is not the caller's any
    /// more; then nothing of this commit is stored.
    pub async fn commit(&self, writes: Vec<Write>) -> Result<Vec<u64>, Error> {
        self.commit_at("", writes).await
    }

    /// The same, from a place in the source that has a name: there a debug build can be made to die.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub async fn commit_at(&self, site: &'static str, writes: Vec<Write>) -> Result<Vec<u64>, Error> {
        failpoint::hit(site, Moment::Before);
        match self.made(site, Task::Writes(writes)).await? {
            Outcome::Writes(numbers) => Ok(numbers),
            Outcome::Mail(_) => unreachable!("the writer answers writes by their numbers"),
        }
    }

    /// Does actions on mailboxes together, in order, and answers what each did. When it returns they are on the disk.
    ///
    /// A caller that stops waiting does not undo them.
    ///
    /// # Errors
    /// [`Error::MailboxClosed`] when one is not open, [`Error::LeaseLost`] where a strict [`mailbox::Settle`] finds a
    /// receipt that is worth nothing; then nothing of them is done.
    pub async fn mail(&self, ops: Vec<Op>) -> Result<Vec<Answer>, Error> {
        match self.made("", Task::Mail(ops)).await? {
            Outcome::Mail(answers) => Ok(answers),
            Outcome::Writes(_) => unreachable!("the writer answers actions by what they did"),
        }
    }

    async fn made(&self, site: &'static str, task: Task) -> Result<Outcome, Error> {
        let began = Instant::now();
        let (answer, result) = oneshot::channel();
        let command = Command::Commit { site, task, answer };
        self.inner.commands.send(command).await.map_err(|_closed| Error::Closed)?;
        let committed = result.await.map_err(|_closed| Error::Closed)?;
        if let Some(metrics) = self.inner.metrics.get() {
            metrics.work(Work::StoreCommit, began.elapsed());
        }
        committed
    }

    /// How many messages a mailbox has; with groups, those sent after `sent_until` count as delayed.
    ///
    /// # Errors
    /// Those of the disk, and [`Error::Closed`].
    pub async fn depth(
        &self,
        mailbox: u64,
        now: Timestamp,
        sent_until: Option<Timestamp>,
    ) -> Result<Depth, Error> {
        self.inner.readers.read(move |conn| mailbox::depth(conn, mailbox, now, sent_until)).await
    }

    /// How many messages of a mailbox are hidden because somebody has received them, counted up to `most`.
    ///
    /// # Errors
    /// Those of the disk, and [`Error::Closed`].
    pub async fn hidden(&self, mailbox: u64, now: Timestamp, most: u64) -> Result<u64, Error> {
        self.inner.readers.read(move |conn| mailbox::hidden(conn, mailbox, now, most)).await
    }

    /// A mailbox that was closed and has something left, for [`Op::Discard`].
    ///
    /// # Errors
    /// Those of the disk, and [`Error::Closed`].
    pub async fn closed_mailbox(&self) -> Result<Option<u64>, Error> {
        self.inner.readers.read(mailbox::closed).await
    }

    /// Looks through `count` messages from the number `after` on for those of which `is_over` says, by their mailbox and
    /// the time at which they were sent, that their time is over. At the first that was sent after `newest` it ends.
    ///
    /// # Errors
    /// Those of the disk, and [`Error::Closed`].
    pub async fn expired_mail(
        &self,
        after: u64,
        count: usize,
        newest: Timestamp,
        is_over: impl Fn(u64, Timestamp) -> bool + Send + 'static,
    ) -> Result<Expired, Error> {
        self.inner.readers.read(move |conn| mailbox::expired(conn, after, count, newest, is_over)).await
    }

    /// The record as last committed.
    ///
    /// # Errors
    /// Those of the disk, and [`Error::Closed`].
    pub async fn get(&self, key: &Key) -> Result<Option<Record>, Error> {
        self.inner.readers.get(key).await
    }

    /// Up to `limit` records of one partition in the order of their names, those after `after` where it is given.
    ///
    /// # Errors
    /// Those of the disk, and [`Error::Closed`].
    pub async fn list(
        &self,
        partition: &Partition,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Record>, Error> {
        self.inner.readers.list(partition, after, limit).await
    }

    /// Hands over every record of one kind, ordered by partition and name: what fills a cache at start. A few are read at a
    /// time, for all together may be a hundred megabytes: what is committed meanwhile may or may not be among them.
    ///
    /// # Errors
    /// Those of the disk, [`Error::Closed`], and those of `take`, which ends the reading.
    pub async fn each<E: From<Error>>(
        &self,
        kind: &'static str,
        mut take: impl FnMut(Record) -> Result<(), E>,
    ) -> Result<(), E> {
        const PAGE: usize = 256;
        let mut after = None;
        loop {
            let page = self.inner.readers.page(kind, after.as_ref(), PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.key.clone());
            page.into_iter().try_for_each(&mut take)?;
        }
    }

    /// Every record of one kind at once, in the same order. For kinds of which there are few.
    ///
    /// # Errors
    /// Those of the disk, and [`Error::Closed`].
    pub async fn all(&self, kind: &'static str) -> Result<Vec<Record>, Error> {
        let mut records = Vec::new();
        self.each(kind, |record| {
            records.push(record);
            Ok::<_, Error>(())
        })
        .await?;
        Ok(records)
    }

    /// Subscribes to all commits from now on. See [`Changes`] for how to start from a full reading.
    #[must_use]
    pub fn changes(&self) -> Changes {
        let receiver = self.inner.feed.upgrade().map_or_else(
            // The writer is gone, and with it the feed: a subscription that is closed from the start.
            || broadcast::channel(1).1,
            |feed| feed.subscribe(),
        );
        Changes::new(receiver)
    }

    /// The version of the last write that was committed since the store was opened, 0 before the first. Whoever has
    /// seen a commit answered, and then applied the change feed up to this version, has applied that commit.
    #[must_use]
    pub fn last_version(&self) -> u64 {
        self.inner.last_version.load(Ordering::Acquire)
    }

    /// Takes messages of one queue that are due at `now`: at most `count`, and no further one once their bodies have
    /// `bytes`. The caller settles each of them, by [`Write::Finish`], [`Write::Postpone`] or [`Store::release`].
    ///
    /// # Errors
    /// Those of the disk, and [`Error::Closed`]; then nothing was taken. A caller that stops waiting may leave messages
    /// leased until the store is closed: let the future end.
    pub async fn take(
        &self,
        queue: &str,
        now: Timestamp,
        count: usize,
        bytes: usize,
    ) -> Result<Taken, Error> {
        self.inner.readers.take(&self.inner.leases, queue, now, count, bytes).await
    }

    /// Reads messages of one queue where they lie, those behind `after` that are due before `until`: at most `count`, and
    /// no further one once their bodies have `bytes`. For queues from which nobody takes.
    ///
    /// # Errors
    /// Those of the disk, and [`Error::Closed`].
    pub async fn entries(
        &self,
        queue: &str,
        after: Place,
        until: Timestamp,
        count: usize,
        bytes: usize,
    ) -> Result<Vec<Entry>, Error> {
        self.inner.readers.entries(queue, after, until, count, bytes).await
    }

    /// How much lies in one queue.
    ///
    /// # Errors
    /// Those of the disk, and [`Error::Closed`].
    pub async fn extent(&self, queue: &str) -> Result<Extent, Error> {
        self.inner.readers.extent(queue).await
    }

    /// Gives messages back as they were, to be taken again at once. Leases that are not valid any more are passed over.
    pub fn release(&self, leases: &[Lease]) {
        let mut held = self.inner.leases.lock();
        leases.iter().for_each(|lease| held.release(*lease));
    }

    /// Every queue that has messages, leased ones included, and when its first is due.
    ///
    /// # Errors
    /// Those of the disk, and [`Error::Closed`].
    pub async fn waiting(&self) -> Result<Vec<Arrival>, Error> {
        self.inner.readers.waiting().await
    }

    /// Subscribes to messages that are enqueued or postponed from now on.
    #[must_use]
    pub fn arrivals(&self) -> Arrivals {
        let receiver = self.inner.arrivals.upgrade().map_or_else(
            // As with `changes`.
            || broadcast::channel(1).1,
            |arrivals| arrivals.subscribe(),
        );
        Arrivals::new(receiver)
    }

    /// Finishes what was asked before, closes the database and frees the data directory, for all clones.
    ///
    /// # Errors
    /// Those of the disk; [`Error::Closed`] when the store had been closed before.
    pub async fn close(self) -> Result<(), Error> {
        self.inner.readers.close().await;
        let (answer, result) = oneshot::channel();
        self.inner.commands.send(Command::Close { answer }).await.map_err(|_closed| Error::Closed)?;
        result.await.map_err(|_closed| Error::Closed)?
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}
