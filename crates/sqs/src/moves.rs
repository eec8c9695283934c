//! Message move tasks: what lies in a dead-letter queue goes back, or elsewhere (Amazon SQS Developer Guide, "Configure a
//! dead-letter queue redrive").
//!
//! A task is a record, so it goes on after a restart. Each message is received, and then deleted and sent in one commit, so
//! that none is lost or there twice.

use std::collections::BTreeMap;
use std::time::Duration;

use lambent_model::{RequestId, Timestamp};
use lambent_store::mailbox::{Answer, Fate, Message, NewMessage, Op, Receive, Send, Settle};
use lambent_store::{Error as StoreError, Expect, Key, Store, Write};
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, Notify};

use crate::Inner;
use crate::message::Head;
use crate::names::QueueName;
use crate::queue::Queue;
use crate::send::before;

mod api;

pub(crate) use api::{cancel, list, start};

const KIND: &str = "sqs-move-task";
/// "You can set a maximum of 500 messages per second"; without a number SQS chooses, and this is what it chooses here.
const FASTEST: u32 = 500;
/// How often a task goes on, and how many times a second that is.
const TICK: Duration = Duration::from_millis(100);
const TICKS: u32 = 10;
/// Messages of one commit: as many as a group gives at once.
const AT_ONCE: usize = 10;
/// A message that was received for a task and not moved, for the server went down, is back after that.
const HELD: Duration = Duration::from_secs(30);
/// "Lists the most recent message movement tasks (up to 10) under a specific source queue."
const KEPT: usize = 10;
/// "A maximum of 100 active message movement tasks … per account."
const ACTIVE: usize = 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Status {
    Running,
    Completed,
    Cancelled,
    Failed,
}

/// What is stored of a task.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Task {
    source: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    per_second: Option<u32>,
    status: Status,
    started: Timestamp,
    to_move: u64,
    moved: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
}

/// All tasks, by their ids.
#[derive(Default)]
pub(crate) struct Moves {
    tasks: Mutex<BTreeMap<String, Task>>,
    started: Notify,
}

impl Moves {
    pub(crate) async fn load(store: &Store) -> Result<Self, StoreError> {
        let mut tasks = BTreeMap::new();
        store
            .each(KIND, |record| {
                tasks.insert(record.key.name.clone(), record.decode()?);
                Ok::<_, StoreError>(())
            })
            .await?;
        Ok(Self { tasks: Mutex::new(tasks), started: Notify::new() })
    }
}

/// Why a task ended before its queue was empty.
enum Stopped {
    /// For good, for the reason that is shown.
    Failed(&'static str),
    Store(StoreError),
}

impl From<StoreError> for Stopped {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Moves messages for as long as there are tasks, and waits for the next one.
pub(crate) async fn run(inner: &Inner) {
    loop {
        let running: Vec<String> = {
            let tasks = inner.moves.tasks.lock().await;
            let running = tasks.iter().filter(|(_, task)| task.status == Status::Running);
            running.map(|(id, _)| id.clone()).collect()
        };
        if running.is_empty() {
            inner.moves.started.notified().await;
            continue;
        }
        for id in running {
            match inner.step(&id).await {
                Ok(()) => {}
                Err(StoreError::Closed) => return,
                Err(error) => {
                    tracing::warn!(%error, task = %id, "messages could not be moved, it is tried again")
                }
            }
        }
        tokio::time::sleep(TICK).await;
    }
}

impl Inner {
    /// A tenth of a second of one task. It holds the tasks meanwhile: a cancellation is answered between two steps.
    async fn step(&self, id: &str) -> Result<(), StoreError> {
        let mut tasks = self.moves.tasks.lock().await;
        let Some(task) = tasks.get_mut(id).filter(|task| task.status == Status::Running) else {
            return Ok(());
        };
        // Slow ones move one message every so often.
        let rate = task.per_second.unwrap_or(FASTEST);
        let elapsed = self.clock.now().micros() - task.started.micros();
        let due = u64::try_from(elapsed.max(0)).unwrap_or(0) * u64::from(rate) / 1_000_000 + 1;
        let allowance = due.saturating_sub(task.moved).min(u64::from(rate.div_ceil(TICKS)));
        let mut left = usize::try_from(allowance).unwrap_or(usize::MAX);
        let mut changed = task.clone();
        while left > 0 && changed.status == Status::Running {
            match self.transfer(&changed, left.min(AT_ONCE)).await {
                Ok(0) => changed.status = Status::Completed,
                Ok(moved) => {
                    changed.moved += moved as u64;
                    left = left.saturating_sub(moved);
                }
                Err(Stopped::Failed(reason)) => {
                    changed.status = Status::Failed;
                    changed.failure = Some(reason.to_owned());
                }
                // Somebody else has settled one of them, or a queue was purged: the next look sees what there is.
                Err(Stopped::Store(StoreError::LeaseLost { .. } | StoreError::MailboxClosed { .. })) => break,
                Err(Stopped::Store(error)) => return Err(error),
            }
        }
        if changed.moved != task.moved || changed.status != task.status {
            self.store.commit(vec![put(id, &changed)?]).await?;
            *task = changed;
        }
        Ok(())
    }

    /// Moves a few messages; none where there is nothing to receive.
    async fn transfer(&self, task: &Task, count: usize) -> Result<usize, Stopped> {
        let find = |arn: &str| QueueName::of_arn(arn).and_then(|name| self.queues.find(&name));
        let source = find(&task.source).ok_or(Stopped::Failed("AWS.SimpleQueueService.NonExistentQueue"))?;
        let now = self.clock.now();
        let messages = self.take(&source, count, now).await?;
        if messages.is_empty() {
            return Ok(0);
        }
        let mut sends: BTreeMap<u64, Vec<NewMessage>> = BTreeMap::new();
        let mut targets = Vec::new();
        for message in &messages {
            let arn = task.target.as_deref().or(message.source.as_deref());
            let arn = arn.ok_or(Stopped::Failed("CouldNotDetermineMessageSource"))?;
            let target = find(arn).ok_or(Stopped::Failed("AWS.SimpleQueueService.NonExistentQueue"))?;
            sends.entry(target.stored.mailbox).or_default().push(self.anew(&target, message, now));
            targets.push(target);
        }
        let count = messages.len();
        let settle = Settle {
            mailbox: source.stored.mailbox,
            now,
            while_hidden: false,
            strict: true,
            fates: messages.iter().map(|message| (message.receipt, Fate::Deleted)).collect(),
        };
        let sends = sends.into_iter().map(|(mailbox, messages)| Op::Send(Send { mailbox, now, messages }));
        self.store.mail(std::iter::once(Op::Settle(settle)).chain(sends).collect()).await?;
        targets.iter().for_each(|target| target.waiters.wake_one());
        Ok(count)
    }

    async fn take(&self, source: &Queue, count: usize, now: Timestamp) -> Result<Vec<Message>, StoreError> {
        let seconds = |seconds: u32| Duration::from_secs(seconds.into());
        let attributes = &source.stored.attributes;
        let receive = Receive {
            mailbox: source.stored.mailbox,
            now,
            hidden_until: now.plus(HELD),
            count,
            groups: source.fifo.then(|| before(now, seconds(attributes.delay_seconds()))),
            oldest: before(now, seconds(attributes.retention_seconds())),
            dead_letters: None,
            attempt: None,
        };
        match self.store.mail(vec![Op::Receive(receive)]).await?.pop() {
            Some(Answer::Received(received)) => Ok(received.messages),
            other => unreachable!("a receive is answered by what came, not {other:?}"),
        }
    }

    /// "Amazon SQS treats redriven messages as new messages with a new messageID and enqueueTime."
    fn anew(&self, target: &Queue, message: &Message, now: Timestamp) -> NewMessage {
        let mut group = None;
        let head = match serde_json::from_slice::<Head>(&message.head) {
            Ok(mut head) => {
                head.id = RequestId::random(&*self.entropy).to_string();
                group.clone_from(&head.group);
                serde_json::to_vec(&head).expect("texts always have a JSON form")
            }
            // As it is: whoever receives it is told that it is damaged.
            Err(_) => message.head.clone(),
        };
        // Queues of one type are each other's, so a message for groups has one.
        let group = target.fifo.then(|| group.unwrap_or_default());
        NewMessage { due: now, group, identity: None, head, body: message.body.clone().into() }
    }
}

fn put(id: &str, task: &Task) -> Result<Write, StoreError> {
    let partition = QueueName::of_arn(&task.source)
        .map_or_else(String::new, |name| format!("{}/{}", name.scope.account, name.scope.region));
    Write::put(Key { kind: KIND, partition, name: id.to_owned() }, Expect::Any, task)
}
