//! The Extensions API's side of the core: who waits for an event, what they are told, their processes.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use lambent_model::{ExtensionId, Invocation, RequestId};
use serde_json::json;
use tokio::sync::oneshot;

use super::{Chore, Core};
use crate::StartError;
use crate::api::{ExtensionEvent, Registered};
use crate::machine::{Event, MOST_EXTENSIONS, NoSubscriber, Reason, Refusal, Start, Verdicted};
use crate::record::Record;
use crate::telemetry::{Subscription, SubscriptionError};

/// Extensions that wait for an event, and events that wait for an extension. One of either for each at most.
#[derive(Default)]
pub(super) struct Desk {
    pollers: HashMap<ExtensionId, oneshot::Sender<ExtensionEvent>>,
    /// Of those whose connection broke, or who were not asking: they are given it when they do.
    waiting: HashMap<ExtensionId, ExtensionEvent>,
}

impl Desk {
    fn deliver(&mut self, id: ExtensionId, event: ExtensionEvent) {
        let undelivered = match self.pollers.remove(&id) {
            Some(poller) => poller.send(event).err(),
            None => Some(event),
        };
        if let Some(event) = undelivered {
            self.waiting.insert(id, event);
        }
    }

    /// Their processes are gone.
    pub(super) fn clear(&mut self) {
        self.pollers.clear();
        self.waiting.clear();
    }
}

fn refused(verdict: Option<Verdicted>) -> Result<(), Refusal> {
    match verdict {
        Some(Verdicted::Refused(refusal)) => Err(refusal),
        _ => Ok(()),
    }
}

impl Core {
    pub(super) fn register(
        &mut self,
        name: String,
        events: crate::machine::Events,
    ) -> Result<Registered, Refusal> {
        let identifier = ExtensionId::random(&*self.world.entropy);
        refused(self.apply(Event::Register { name, events, identifier }))?;
        Ok(Registered {
            identifier,
            function_name: self.function.arn.name.clone(),
            function_version: self.function.version.clone(),
            handler: self.function.handler.clone(),
            account_id: self.function.arn.scope.account.to_string(),
        })
    }

    pub(super) fn extension_next(
        &mut self,
        identifier: ExtensionId,
        poller: oneshot::Sender<ExtensionEvent>,
    ) -> Result<(), Refusal> {
        // What was meant for it and has not reached it comes first: with it the extension is still at work.
        let poller = match self.desk.waiting.remove(&identifier) {
            Some(event) => match poller.send(event) {
                Ok(()) => return Ok(()),
                Err(event) => {
                    self.desk.waiting.insert(identifier, event);
                    return Ok(());
                }
            },
            None => poller,
        };
        // Before the machine hears of it, which may have an event for it at once.
        self.desk.pollers.insert(identifier, poller);
        let judged = refused(self.apply(Event::ExtensionNext { identifier }));
        if judged.is_err() {
            self.desk.pollers.remove(&identifier);
        }
        judged
    }

    pub(super) fn extension_error(
        &mut self,
        identifier: ExtensionId,
        init: bool,
        error_type: String,
    ) -> Result<(), Refusal> {
        refused(self.apply(Event::ExtensionError { identifier, init, error_type }))
    }

    pub(super) fn subscribe(
        &mut self,
        identifier: ExtensionId,
        subscription: Subscription,
    ) -> Result<(), SubscriptionError> {
        let name = self.machine.subscriber(identifier).map_err(|reason| match reason {
            NoSubscriber::Unknown => SubscriptionError::Unknown(identifier),
            NoSubscriber::Closed => SubscriptionError::Closed,
        })?;
        let (api, types) = (subscription.api, subscription.types.names());
        let record = Record::Subscribed { api, name: name.to_owned(), types };
        let delivery = self.log.subscribe(identifier, subscription)?;
        self.chores.push(Chore::Deliver(delivery));
        self.log_platform(&record);
        Ok(())
    }

    fn deadline_ms(&self, deadline: Instant) -> i64 {
        let remaining = deadline.saturating_duration_since(Instant::now());
        self.world.clock.now().plus(remaining).millis()
    }

    fn tell(&mut self, id: ExtensionId, body: String) {
        let event_id = RequestId::random(&*self.world.entropy).to_string();
        self.desk.deliver(id, ExtensionEvent { id: event_id, body: Bytes::from(body) });
    }

    pub(super) fn invoke_extension(&mut self, id: ExtensionId, invocation: &Invocation, deadline: Instant) {
        // By hand for the order of the keys, which is AWS's.
        let body = format!(
            r#"{{"eventType":"INVOKE","deadlineMs":{},"requestId":"{}","invokedFunctionArn":{},"tracing":{{"type":"X-Amzn-Trace-Id","value":{}}}}}"#,
            self.deadline_ms(deadline),
            invocation.request_id,
            json!(invocation.invoked_arn),
            json!(invocation.trace_id),
        );
        self.tell(id, body);
    }

    pub(super) fn shut_down_extension(&mut self, id: ExtensionId, reason: Reason, deadline: Instant) {
        // What it has not been told yet must reach it before the end.
        self.log.flush_subscriptions();
        let body = format!(
            r#"{{"eventType":"SHUTDOWN","deadlineMs":{},"shutdownReason":"{}"}}"#,
            self.deadline_ms(deadline),
            reason.as_str(),
        );
        self.tell(id, body);
    }

    pub(super) fn start_extensions(&mut self) -> Option<Event> {
        let function = Arc::clone(&self.function);
        let failed = |error_type: &str, message: String| {
            Some(Event::StartFailed { failure: Start { error_type: error_type.to_owned(), message } })
        };
        if function.extensions.len() > MOST_EXTENSIONS {
            let message = format!("Extension limit ({MOST_EXTENSIONS}) reached");
            return failed("Extension.LaunchError", message);
        }
        for (slot, name) in function.extensions.iter().enumerate() {
            let placement = &self.sandbox.as_ref()?.placement;
            match function.plan.extension(name, placement) {
                Ok(program) => {
                    let slot = u8::try_from(slot).expect("there are ten at most");
                    self.chores.push(Chore::StartExtension(slot, program));
                }
                Err(StartError { error_type, message }) => return failed(&error_type, message),
            }
        }
        None
    }

    /// AWS words a failing `execve` as Go does.
    pub(super) fn extension_start_failed(&self, slot: u8, errno: i32) -> Event {
        let name = self.function.extensions.get(usize::from(slot)).map_or("", String::as_str);
        let error = std::io::Error::from_raw_os_error(errno);
        let kind = match error.kind() {
            std::io::ErrorKind::PermissionDenied => "PermissionDenied",
            std::io::ErrorKind::NotFound => "NotFound",
            _ => "UnknownError",
        };
        let text = error.to_string().to_lowercase();
        let text = text.split(" (os error").next().unwrap_or_default();
        let message = format!("fork/exec /opt/extensions/{name}: {text}");
        Event::ExtensionStartFailed { slot, kind, message }
    }

    /// What an extension writes.
    pub(super) fn extension_output(&mut self, slot: u8, output: OwnedFd) {
        let Some(grip) = &mut self.sandbox else { return };
        if let Err(error) = grip.pipes.add(slot, output) {
            self.fail(&format!("an extension's output cannot be read: {error}"));
        }
    }
}
