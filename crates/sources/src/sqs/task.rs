//! The task around a group: carries out what it decides, and tells it what came of it.

use std::sync::Arc;
use std::time::Duration;

use lambent_model::{
    AwsCallError, AwsCaller, EventCount, Invocation, InvokeError, MappingMetrics, Outcome, RequestId, Target,
    Timestamp, trace,
};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::group::{Attempt, Effect, Event, Group};
use super::message::{self, Message};
use super::queue::Queue;
use super::settings::Settings;
use crate::World;
use crate::backoff::Trouble;

/// What one `DeleteMessageBatch` takes.
const DELETED: usize = 10;
/// Between two attempts to delete.
const DELETE_AGAIN: Duration = Duration::from_millis(500);

/// What the keeper wants of a group.
#[derive(Debug, Clone)]
pub(crate) enum Wish {
    /// To poll by these settings.
    Poll(Box<Settings>),
    /// To finish.
    Stop,
}

/// How a group ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// As it was told to.
    Stopped,
    /// It gave up, for this of AWS's reasons.
    GaveUp(&'static str),
}

/// Polls a queue until it is told to stop, or gives up.
pub(crate) async fn run(
    world: Arc<World>,
    id: Arc<str>,
    arn: String,
    settings: Settings,
    metrics: Arc<dyn MappingMetrics>,
    mut wishes: watch::Receiver<Wish>,
) -> Ended {
    let Some(queue) = Queue::new(Arc::clone(&world.calls), &arn) else {
        tracing::error!(mapping = %id, arn, "an event source is no queue, and is not polled");
        return Ended::GaveUp("RESOURCE_NOT_FOUND");
    };
    let hands =
        Hands { world: Arc::clone(&world), id, queue: Arc::new(queue), target: settings.target.clone() };
    let group = Group::new(settings, world.pace());
    let mut task = Task { group, hands, metrics, work: JoinSet::new(), told: None };
    let mut gave_up = None;
    let mut event = Event::Woke;
    loop {
        if let Some(code) = task.apply(event) {
            gave_up = Some(code);
            task.apply(Event::Stop);
        }
        if task.group.is_over() {
            return gave_up.map_or(Ended::Stopped, Ended::GaveUp);
        }
        event = task.next(&mut wishes).await;
    }
}

struct Task {
    group: Group,
    hands: Hands,
    metrics: Arc<dyn MappingMetrics>,
    work: JoinSet<Event>,
    /// What the log has last been told of.
    told: Option<String>,
}

impl Task {
    /// Waits for the next thing to happen.
    async fn next(&mut self, wishes: &mut watch::Receiver<Wish>) -> Event {
        let now = self.hands.world.clock.now();
        let wake = self.group.wake(now).map(|at| Duration::from_micros(micros_between(now, at)));
        tokio::select! {
            Some(done) = self.work.join_next(), if !self.work.is_empty() => match done {
                Ok(event) => event,
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            },
            changed = wishes.changed() => match (changed, wishes.borrow_and_update().clone()) {
                (Ok(()), Wish::Poll(settings)) => {
                    self.hands.target = settings.target.clone();
                    Event::Changed(settings)
                }
                // The keeper has gone, which is the server going down.
                (Err(_), _) | (_, Wish::Stop) => Event::Stop,
            },
            () = tokio::time::sleep(wake.unwrap_or_default()), if wake.is_some() => Event::Woke,
        }
    }

    /// Carries out what follows; the reason when the mapping is to be given up.
    fn apply(&mut self, event: Event) -> Option<&'static str> {
        self.tell(&event);
        let mut gave_up = None;
        for effect in self.group.apply(event, self.hands.world.clock.now()) {
            let hands = self.hands.clone();
            match effect {
                Effect::Receive { most, wait } => {
                    self.work.spawn(async move { hands.receive(most, wait).await });
                }
                Effect::Invoke(id, messages) => {
                    self.work.spawn(async move { Event::Ended(id, hands.invoke(&messages).await) });
                }
                Effect::Delete(messages) => {
                    self.work.spawn(async move { Event::Deleted(hands.delete(&messages).await) });
                }
                Effect::Count(what, by) => {
                    // AWS counts where `MetricsConfig` says so; what went wrong is always told.
                    if self.group.counts() || what == EventCount::BackOffs {
                        self.metrics.count(what, by);
                    }
                }
                Effect::GiveUp(code) => gave_up = Some(code),
            }
        }
        gave_up
    }

    /// A word to the operator when something begins to keep the mapping from its work, and when that is over.
    fn tell(&mut self, event: &Event) {
        let id = &self.hands.id;
        match event {
            Event::NotReceived(Trouble { text, .. }) if self.told.as_ref() != Some(text) => {
                tracing::warn!(mapping = %id, source = self.hands.queue.arn(), reason = text, "an event source mapping backs off");
                self.told = Some(text.clone());
            }
            Event::Received(_) if self.told.take().is_some() => {
                tracing::info!(mapping = %id, "an event source mapping polls again");
            }
            _ => {}
        }
    }
}

fn micros_between(now: Timestamp, at: Timestamp) -> u64 {
    u64::try_from(at.micros() - now.micros()).unwrap_or(0)
}

/// What a group's effects are carried out with. Cheap to clone.
#[derive(Clone)]
struct Hands {
    world: Arc<World>,
    id: Arc<str>,
    queue: Arc<Queue>,
    target: Target,
}

impl Hands {
    /// The session of the function's role (Developer Guide, "Configuring execution role permissions").
    async fn caller(&self) -> Option<AwsCaller> {
        let policy = self.world.invoke.event_policy(&self.target).await?;
        Some(AwsCaller::Role {
            account: self.target.function.scope.account.clone(),
            role: policy.role,
            session: self.target.function.name.clone(),
        })
    }

    /// Nothing is fetched that the function could not be given.
    async fn ready(&self) -> Result<AwsCaller, Trouble> {
        let trouble = |code, text: String| Trouble { code, text };
        match self.world.invoke.check(&self.target, None).await {
            Ok(()) => {}
            Err(error @ InvokeError::NotFound) => {
                return Err(trouble(Some("FUNCTION_NOT_FOUND"), error.to_string()));
            }
            Err(error @ InvokeError::NotReady { state: "Failed" }) => {
                return Err(trouble(Some("FUNCTION_IN_FAILED_STATE"), error.to_string()));
            }
            Err(error) => return Err(trouble(None, error.to_string())),
        }
        let gone = || trouble(Some("FUNCTION_NOT_FOUND"), "function not found".into());
        self.caller().await.ok_or_else(gone)
    }

    async fn receive(&self, most: usize, wait: Duration) -> Event {
        let received = async {
            let caller = self.ready().await?;
            let _place = self.world.bounds.polls.acquire().await.expect("the semaphore is never closed");
            let clock = &self.world.clock;
            let answer = self.queue.receive(caller.clone(), most, wait).await.map_err(trouble)?;
            let now = clock.now();
            let mut messages =
                message::read(&answer, self.queue.arn(), self.queue.scope(), now).map_err(|error| {
                    Trouble { code: None, text: format!("the queue's answer cannot be read: {error}") }
                })?;
            // Asked where something was received alone: an idle queue costs one call in twenty seconds.
            if !messages.is_empty() {
                let until = now.plus(self.queue.visibility(caller, now).await);
                messages.iter_mut().for_each(|message| message.until = until);
            }
            Ok(messages)
        };
        match received.await {
            Ok(messages) => Event::Received(messages),
            Err(trouble) => Event::NotReceived(trouble),
        }
    }

    async fn invoke(&self, messages: &[Arc<Message>]) -> Attempt {
        let world = &self.world;
        let function = &self.target.function;
        // Of several chains the one that has come back most often, so that a loop is found in any company.
        let traces = messages.iter().filter_map(|message| message.trace.as_deref());
        let deepest = traces.max_by_key(|header| trace::depth(header, function));
        let new_trace = || trace::new_id(&*world.entropy, world.clock.now());
        let invocation = Invocation {
            request_id: RequestId::random(&*world.entropy),
            payload: message::event(messages).into(),
            invoked_arn: match &self.target.qualifier {
                Some(_) => self.target.qualified(),
                None => function.to_string(),
            },
            trace_id: deepest.map_or_else(new_trace, str::to_owned),
            client_context: None,
            tenant_id: None,
            tail: false,
        };
        match world.invoke.invoke(self.target.clone(), Arc::new(invocation)).await {
            Ok(invoked) => match invoked.completed.outcome {
                Outcome::Success(answer) => Attempt::Succeeded(answer),
                Outcome::Failed(_) => Attempt::Failed,
                Outcome::Platform(reason) => self.refused(&reason),
                Outcome::NotRestored(fault) => self.refused(&fault.to_string()),
            },
            Err(InvokeError::Recursive(_)) => Attempt::Recursive,
            Err(InvokeError::ShuttingDown) => Attempt::Left,
            Err(error) => self.refused(&error.to_string()),
        }
    }

    fn refused(&self, reason: &str) -> Attempt {
        let function = self.target.qualified();
        tracing::debug!(mapping = %self.id, function, reason, "a batch was not handed over and is tried again");
        Attempt::Refused
    }

    /// Deletes messages, trying again for as long as the queue shows them to nobody else. How many are gone.
    async fn delete(&self, messages: &[Arc<Message>]) -> u64 {
        let mut deleted = 0;
        for some in messages.chunks(DELETED) {
            deleted += self.delete_some(some.iter().collect()).await;
        }
        deleted
    }

    async fn delete_some(&self, mut left: Vec<&Arc<Message>>) -> u64 {
        let all = left.len();
        loop {
            let reason = match self.caller().await {
                None => "function not found".to_owned(),
                Some(caller) => {
                    let handles: Vec<&str> = left.iter().map(|message| message.handle.as_str()).collect();
                    match self.queue.delete(caller, &handles).await {
                        Err(error) => error.to_string(),
                        Ok(failed) => {
                            // The sender's fault stays one: the handle is too old, or the message gone.
                            let (lost, again): (Vec<_>, Vec<_>) =
                                failed.into_iter().partition(|(_, is_ours, _)| *is_ours);
                            let lost_count = lost.len();
                            if again.is_empty() {
                                self.tell_left(lost_count, lost.first().map_or("", |(_, _, code)| code));
                                return (all - lost_count) as u64;
                            }
                            let places: Vec<usize> = again.iter().map(|(place, ..)| *place).collect();
                            left = places.iter().filter_map(|place| left.get(*place).copied()).collect();
                            again.first().map_or_else(String::new, |(_, _, code)| code.clone())
                        }
                    }
                }
            };
            let now = self.world.clock.now();
            if left.iter().all(|message| message.until <= now.plus(DELETE_AGAIN)) {
                self.tell_left(left.len(), &reason);
                return (all - left.len()) as u64;
            }
            tokio::time::sleep(DELETE_AGAIN).await;
        }
    }

    fn tell_left(&self, count: usize, reason: &str) {
        if count > 0 {
            tracing::warn!(
                mapping = %self.id, source = self.queue.arn(), count, reason,
                "messages that were processed could not be deleted, and will be processed again"
            );
        }
    }
}

/// What an error of the queue means for the mapping.
fn trouble(error: AwsCallError) -> Trouble {
    let code = match &error {
        AwsCallError::Service { code, .. } if is_absent(code) => Some("RESOURCE_NOT_FOUND"),
        AwsCallError::Service { code, .. } if code.contains("AccessDenied") => Some("AUTHORIZATION_ERROR"),
        _ => None,
    };
    Trouble { code, text: error.to_string() }
}

/// What SQS calls a queue that is not there, in either protocol.
fn is_absent(code: &str) -> bool {
    code.ends_with("NonExistentQueue") || code.ends_with("QueueDoesNotExist")
}
