//! The Telemetry API and the Logs API before it: extensions inside are told what the platform, the function and other
//! extensions say (AWS Lambda Developer Guide, "Accessing real-time telemetry data for extensions using the Telemetry API").
//!
//! ```text
//! log (records, lines) ──▶ Hub ──▶ Feed of each subscriber ──batch──▶ its delivery's task ──HTTP, TCP──▶ the subscriber
//! ```
//!
//! Nobody waits for a subscriber: a feed that is full drops and counts. A subscription ends with the processes of its
//! generation.

mod deliver;
mod feed;
mod request;

use std::sync::Arc;

use lambent_model::{ExtensionId, Timestamp};
use serde_json::{Value, json};

pub(crate) use deliver::{Delivery, deliver};
use feed::Feed;
pub(crate) use request::{Subscription, parse};

use crate::LogFormat;
use crate::record::{Record, Subject, envelope};

/// What happens before anybody could subscribe is kept for who does: some records, and what a function or an extension
/// prints while it initialises. Beyond this the newest is left out.
const KEPT_ITEMS: usize = 1000;
/// The same, in bytes: as much as the smallest buffer of a subscriber.
const KEPT_BYTES: usize = 256 * 1024;

/// Who writes lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Function,
    Extension,
}

/// Why a subscription is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SubscriptionError {
    /// No extension has this identifier.
    Unknown(ExtensionId),
    /// The environment is initialised.
    Closed,
    /// The extension has subscribed by the other API.
    OtherApi,
}

enum Said {
    Platform(Record),
    Line(Source, String),
}

struct Subscriber {
    id: ExtensionId,
    subscription: Subscription,
    feed: Arc<Feed>,
}

/// All subscribers of an environment, and what they have missed.
pub(crate) struct Hub {
    format: LogFormat,
    subscribers: Vec<Subscriber>,
    /// Until the environment is initialised.
    kept: Option<Kept>,
}

#[derive(Default)]
struct Kept {
    said: Vec<(Timestamp, Said)>,
    bytes: usize,
}

impl Hub {
    pub(crate) fn new(format: LogFormat) -> Self {
        Self { format, subscribers: Vec::new(), kept: Some(Kept::default()) }
    }

    /// Tells a record to all who want to hear of the platform.
    pub(crate) fn platform(&mut self, at: Timestamp, record: &Record, subject: &Subject) {
        for subscriber in &self.subscribers {
            subscriber.platform(at, record, subject);
        }
        // About what one is as text.
        self.keep(at, 256, || Said::Platform(record.clone()));
    }

    /// Tells a line to all who want to hear of its source.
    pub(crate) fn line(&mut self, at: Timestamp, source: Source, line: &str) {
        for subscriber in &self.subscribers {
            subscriber.line(at, source, line, self.format);
        }
        self.keep(at, line.len(), || Said::Line(source, line.to_owned()));
    }

    fn keep(&mut self, at: Timestamp, bytes: usize, said: impl FnOnce() -> Said) {
        if let Some(kept) = &mut self.kept
            && kept.said.len() < KEPT_ITEMS
            && kept.bytes + bytes <= KEPT_BYTES
        {
            kept.bytes += bytes;
            kept.said.push((at, said()));
        }
    }

    /// Subscribes an extension, in place of what it subscribed to before: it is told from the beginning.
    pub(crate) fn subscribe(
        &mut self,
        id: ExtensionId,
        subscription: Subscription,
        subject: &Subject,
    ) -> Result<Delivery, SubscriptionError> {
        if let Some(at) = self.subscribers.iter().position(|subscriber| subscriber.id == id) {
            if !self.subscribers[at].subscription.same_api(&subscription) {
                return Err(SubscriptionError::OtherApi);
            }
            self.subscribers.swap_remove(at).feed.end();
        }
        let feed = Arc::new(Feed::new(subscription.buffering));
        let delivery = Delivery { destination: subscription.destination.clone(), feed: Arc::clone(&feed) };
        let subscriber = Subscriber { id, subscription, feed };
        for (at, said) in self.kept.iter().flat_map(|kept| &kept.said) {
            match said {
                Said::Platform(record) => subscriber.platform(*at, record, subject),
                Said::Line(source, line) => subscriber.line(*at, *source, line, self.format),
            }
        }
        self.subscribers.push(subscriber);
        Ok(delivery)
    }

    /// Nobody can subscribe any more.
    pub(crate) fn close(&mut self) {
        self.kept = None;
    }

    /// What is buffered is to be delivered now.
    pub(crate) fn flush(&self) {
        for subscriber in &self.subscribers {
            subscriber.feed.flush();
        }
    }

    /// Ends every subscription; a new generation of processes may subscribe.
    pub(crate) fn reopen(&mut self) {
        for subscriber in self.subscribers.drain(..) {
            subscriber.feed.end();
        }
        self.kept = Some(Kept::default());
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        for subscriber in &self.subscribers {
            subscriber.feed.end();
        }
    }
}

impl Subscriber {
    fn platform(&self, at: Timestamp, record: &Record, subject: &Subject) {
        if self.subscription.types.platform
            && let Some(item) = record.telemetry(self.subscription.api, subject, at)
            && self.feed.admits(at, item.len())
        {
            self.feed.push(item);
        }
    }

    fn line(&self, at: Timestamp, source: Source, line: &str, format: LogFormat) {
        let types = self.subscription.types;
        let (wanted, kind) = match source {
            Source::Function => (types.function, "function"),
            Source::Extension => (types.extension, "extension"),
        };
        // Before it is put into words: a flood must not cost that for what is dropped.
        if !wanted || !self.feed.admits(at, line.len()) {
            return;
        }
        // "If the function's log format is JSON, the record is a JSON object" (from schema 2022-12-13 on); what is none is
        // a string all the same.
        let object = || serde_json::from_str(line).ok().filter(Value::is_object);
        let record = Some(format)
            .filter(|format| *format == LogFormat::Json && self.subscription.objects)
            .and_then(|_| object());
        self.feed.push(envelope(at, kind, &record.unwrap_or_else(|| json!(line))));
    }
}

#[cfg(test)]
mod tests;
