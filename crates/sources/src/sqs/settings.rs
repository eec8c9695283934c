//! What a mapping of a queue is polled by.

use std::sync::Arc;
use std::time::Duration;

use lambent_fabric::batch::Limits;
use lambent_lambda::{Mapping, SourceKind};
use lambent_model::Target;
use lambent_patterns::{Dialect, Event, Pattern};

use super::message::{self, Message};
use crate::scaling::Rule;

/// The largest event of a synchronous invocation: "6 MB", which is what a batch comes to at most.
const EVENT_BYTES: usize = 6 * 1024 * 1024;
/// What `ReceiveMessage` brings at most.
pub(super) const RECEIVED: usize = 10;
/// Defaults of `ProvisionedPollerConfig` for SQS (Developer Guide, "Configuring scaling behavior for SQS event source
/// mappings").
const POLLERS: (u32, u32) = (2, 200);

/// See the module's text.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What is invoked.
    pub target: Target,
    /// Messages of a batch, at most.
    pub batch: usize,
    /// For how long messages wait for others.
    pub window: Duration,
    /// Whether the order of message groups is kept.
    pub fifo: bool,
    /// How many batches at once.
    pub rule: Rule,
    /// Whether the function says which messages failed.
    pub reports: bool,
    /// Whether messages are counted.
    pub counts: bool,
    /// What passes.
    pub filter: Filter,
}

impl Settings {
    /// Those of a mapping. Its filters have been checked when they were accepted.
    #[must_use]
    pub fn of(mapping: &Mapping, target: Target) -> Self {
        let s = &mapping.settings;
        let has = |list: &Option<Vec<String>>, name: &str| list.iter().flatten().any(|one| one == name);
        let rule = match (&s.pollers, s.concurrency) {
            (Some(pollers), _) => {
                Rule::provisioned(pollers.minimum.unwrap_or(POLLERS.0), pollers.maximum.unwrap_or(POLLERS.1))
            }
            (None, Some(most)) => Rule::at_most(most),
            (None, None) => Rule::STANDARD,
        };
        Self {
            target,
            batch: s.batch_size.map_or(RECEIVED, |size| usize::try_from(size).unwrap_or(RECEIVED)).max(1),
            window: Duration::from_secs(s.window_s.unwrap_or(0).into()),
            fifo: matches!(mapping.kind, SourceKind::Sqs { fifo: true }),
            rule,
            reports: has(&s.response_types, "ReportBatchItemFailures"),
            counts: has(&s.metrics, "EventCount"),
            filter: Filter::new(s.filters.as_deref().unwrap_or_default()),
        }
    }

    /// What batches are made by.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits {
            count: self.batch,
            bytes: EVENT_BYTES - message::AROUND,
            window: self.window,
            batches: usize::try_from(self.rule.ceiling).unwrap_or(usize::MAX),
            // What is fetched is bounded by what may be under way, so nothing is ever turned away.
            items: usize::MAX,
            mixed: true,
        }
    }

    /// What one call fetches at most.
    #[must_use]
    pub fn most(&self) -> usize {
        self.batch.min(RECEIVED)
    }
}

/// Filters of a mapping: one that matches is enough.
#[derive(Debug, Clone, Default)]
pub struct Filter(Arc<[Pattern]>);

impl Filter {
    fn new(patterns: &[String]) -> Self {
        Self(patterns.iter().filter_map(|text| Pattern::parse(text, Dialect::Mapping).ok()).collect())
    }

    /// Whether a message is to be handed over.
    #[must_use]
    pub fn passes(&self, message: &Message) -> bool {
        self.0.is_empty()
            || message::filtered(&message.record).iter().any(|json| {
                Event::parse(json).is_ok_and(|event| self.0.iter().any(|pattern| pattern.matches(&event)))
            })
    }
}

#[cfg(test)]
mod tests {
    use lambent_model::Timestamp;

    use super::*;

    #[test]
    fn a_pattern_and_a_body_have_to_be_of_one_kind() {
        for (pattern, body, passes) in [
            (r#"{"body":{"a":[1]}}"#, r#"{"a":1}"#, true),
            (r#"{"body":{"a":[1]}}"#, r#"{"a":1.0}"#, false),
            (r#"{"body":{"a":[1]}}"#, "a", false),
            (r#"{"body":[{"prefix":"Result: "}]}"#, "Result: 1", true),
            (r#"{"body":[{"prefix":"Result: "}]}"#, r#"{"Result: 1":2}"#, false),
            (r#"{"body":["7"]}"#, "7", true),
            (r#"{"body":[7]}"#, "7", true),
            (r#"{"body":[{"exists":true}]}"#, "", true),
        ] {
            let record = serde_json::json!({"messageId": "m", "body": body}).to_string();
            let message = Message {
                id: String::new(),
                handle: String::new(),
                group: None,
                trace: None,
                until: Timestamp::from_millis(0),
                record,
            };
            assert_eq!(Filter::new(&[pattern.into()]).passes(&message), passes, "{pattern} {body}");
            assert!(Filter::new(&["{\"body\":[\"no\"]}".into(), pattern.into()]).passes(&message) == passes);
            assert!(Filter::default().passes(&message));
        }
    }
}
