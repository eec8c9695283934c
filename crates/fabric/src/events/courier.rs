//! Makes the attempts.

use std::sync::Arc;
use std::time::Duration;

use lambent_model::{
    Clock, Completed, Count, Entropy, EventPolicy, Invoke, InvokeError, Invoked, Measure, MetricSink,
    Outcome, RestoreFault,
};
use lambent_store::queue::Message;

use super::outbox::End;
use super::record::Answer;
use super::retry::{self, Attempted, Condition, Next, TimeScale};
use super::{Envelope, PREFIX, State};
use crate::dispatcher::{Again, AttemptFuture, Courier, Verdict};
use crate::lanes::{Bounds, LONGEST_PAUSE};

/// Twice what an account may have under way, so that one function at that limit leaves room for others; what their events may
/// take in memory; and as many environments as start beside each other without getting in each other's way.
const BOUNDS: Bounds = Bounds { slots: 2000, bytes: 64 * 1024 * 1024, first: 8 };

/// Invokes functions with the events of their queues. Cheap to clone.
#[derive(Clone)]
pub struct EventCourier {
    /// Runs functions.
    pub invoke: Arc<dyn Invoke>,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Ids of what destinations are invoked with.
    pub entropy: Arc<dyn Entropy>,
    /// Where events are counted.
    pub metrics: Arc<dyn MetricSink>,
    /// How fast time goes for waits and ages.
    pub scale: TimeScale,
}

impl Courier for EventCourier {
    fn prefix(&self) -> &'static str {
        PREFIX
    }

    fn bounds(&self) -> Bounds {
        BOUNDS
    }

    fn longest_pause(&self) -> Duration {
        self.scale.apply(LONGEST_PAUSE)
    }

    fn attempt(&self, queue: Arc<str>, message: Message) -> AttemptFuture {
        let courier = self.clone();
        Box::pin(async move { courier.deliver(&queue, message).await })
    }
}

impl EventCourier {
    async fn deliver(&self, queue: &str, message: Message) -> Verdict {
        let id = message.lease.id();
        let state = State::decode(&message.state);
        let Some((envelope, state)) = Envelope::decode(message.body).zip(state) else {
            tracing::error!(message = %id, queue, "a message is no event that this version knows; it is dropped");
            return Verdict::Settled(Vec::new());
        };
        let Some(policy) = self.invoke.event_policy(&envelope.target).await else {
            // As on AWS, the events of a deleted function go with it.
            return Verdict::Settled(Vec::new());
        };
        if let Some(condition) = retry::before(&policy, envelope.accepted, self.clock.now(), self.scale) {
            return self.end(&envelope, state, &policy, Some(condition), None);
        }
        let age = self.clock.now().micros() - envelope.accepted.micros();
        let age = Duration::from_micros(u64::try_from(age).unwrap_or(0));
        super::series(&*self.metrics, &envelope.target).measure(Measure::AsyncEventAge, age);
        let invoked = self.invoke.invoke(envelope.target.clone(), envelope.invocation()).await;
        let mut state = state;
        let (attempted, answer) = match &invoked {
            Ok(Invoked { executed_version, completed: Completed { outcome, .. } }) => match outcome {
                Outcome::Success(payload) => {
                    (Attempted::Succeeded, Some(Answer { executed_version, payload, failed: false }))
                }
                Outcome::Failed(failure) => (
                    Attempted::Failed,
                    Some(Answer { executed_version, payload: &failure.body, failed: true }),
                ),
                Outcome::Platform(_) | Outcome::NotRestored(_) => {
                    state.refused_by = Some(match outcome {
                        Outcome::NotRestored(RestoreFault::Hook) => 400,
                        Outcome::NotRestored(RestoreFault::TimedOut) => 408,
                        _ => 500,
                    });
                    (Attempted::Deferred, None)
                }
            },
            Err(
                error @ (InvokeError::Throttled { .. }
                | InvokeError::NotReady { .. }
                // The function was made anew since, in the other way.
                | InvokeError::Tenant { .. }),
            ) => {
                state.refused_by = Some(match error {
                    InvokeError::NotReady { .. } => 409,
                    InvokeError::Tenant { .. } => 400,
                    _ => 429,
                });
                (Attempted::Deferred, None)
            }
            Err(InvokeError::Recursive(_)) => {
                return self.end(&envelope, state, &policy, Some(Condition::RecursiveInvocation), None);
            }
            // The version or the alias: the function itself was there a moment ago.
            Err(InvokeError::NotFound) => return Verdict::Settled(Vec::new()),
            Err(InvokeError::ShuttingDown) => return Verdict::Left,
        };
        match retry::after(attempted, state, &policy, envelope.accepted, self.clock.now(), self.scale) {
            Next::Again { due, state } => {
                let why = if attempted == Attempted::Deferred { Again::Full } else { Again::Own };
                Verdict::Later { due, state: state.encode(), why }
            }
            Next::Done => self.end(&envelope, state, &policy, None, answer),
            Next::GiveUp(condition) => {
                let failed = state.failed + u32::from(attempted == Attempted::Failed);
                self.end(&envelope, State { failed, ..state }, &policy, Some(condition), answer)
            }
        }
    }

    /// The end of an event, with all that goes out because of it in the same commit.
    fn end(
        &self,
        envelope: &Envelope,
        state: State,
        policy: &EventPolicy,
        condition: Option<Condition>,
        answer: Option<Answer<'_>>,
    ) -> Verdict {
        if condition.is_some() {
            super::series(&*self.metrics, &envelope.target).count(Count::AsyncEventsDropped, 1);
        }
        let patience = self.scale.apply(policy.max_age);
        let end = End { envelope, state, condition, answer, now: self.clock.now(), patience };
        Verdict::Settled(end.writes(policy, &*self.entropy))
    }
}
