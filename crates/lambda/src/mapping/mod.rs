//! Event source mappings: which source a function's events come from, and how they are batched (AWS Lambda Developer
//! Guide, "How Lambda processes records from stream and queue-based event sources").

mod check;
mod settings;
mod source;

use std::collections::BTreeMap;

use lambent_model::Timestamp;
use serde::{Deserialize, Serialize};

pub use settings::{MappingSettings, Pollers};
pub use source::SourceKind;

use crate::Refusal;

/// Under which kind mappings' records are kept, named by id: the API writes them, pollers hear of them.
pub const MAPPING_KIND: &str = "event-source-mapping";
/// Under which kind the records are kept that keep a second mapping of the same source and function away.
pub const MAPPING_IDENTITY_KIND: &str = "event-source-mapping-identity";

/// What is being done to a mapping; until it is done, nothing else is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Transition {
    /// It has just been made.
    Creating,
    /// Its poller starts.
    Enabling,
    /// Its poller finishes what is under way.
    Disabling,
    /// Its poller takes other settings.
    Updating,
    /// Its poller finishes what is under way, and then it is gone.
    Deleting,
}

/// An event source mapping.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mapping {
    /// Its name, a UUID.
    pub id: String,
    /// What kind of source it has.
    pub kind: SourceKind,
    /// The source's ARN; a self-managed Kafka cluster has none.
    pub source: Option<String>,
    /// The ARN of the function, with the qualifier that was given.
    pub function: String,
    /// Whether events are to be taken.
    pub enabled: bool,
    /// How.
    pub settings: MappingSettings,
    /// Tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// When it was changed last.
    pub modified: Timestamp,
    /// What is being done to it by whoever polls; only sources that are polled have it.
    #[serde(default)]
    pub transition: Option<Transition>,
    /// Why Lambda itself has disabled it: AWS's code (Developer Guide, "Logging Lambda API calls using CloudTrail",
    /// `LambdaESMDisabled`).
    #[serde(default)]
    pub disabled_by: Option<String>,
}

impl Mapping {
    /// A new mapping, with the defaults of its kind of source.
    ///
    /// # Errors
    /// The first setting that does not go with the source.
    pub fn create(
        id: String,
        source: Option<String>,
        function: String,
        settings: MappingSettings,
        at: Timestamp,
    ) -> Result<Self, Refusal> {
        let kind = SourceKind::of(source.as_deref(), settings.endpoints.is_some())?;
        let settings = settings.with_defaults(kind, &id);
        check::on_create(kind, source.as_deref(), &settings)?;
        check::settings(kind, &settings)?;
        Ok(Self {
            id,
            kind,
            source,
            function,
            enabled: true,
            settings,
            tags: BTreeMap::new(),
            modified: at,
            transition: None,
            disabled_by: None,
        })
    }

    /// With other settings, where they are given.
    ///
    /// # Errors
    /// The first setting that does not go with the source.
    pub fn changed(self, change: MappingSettings, at: Timestamp) -> Result<Self, Refusal> {
        check::settings(self.kind, &change)?;
        let settings = self.settings.changed(change);
        check::settings(self.kind, &settings)?;
        Ok(Self { settings, modified: at, ..self })
    }

    /// `State`, in AWS's words.
    #[must_use]
    pub fn state(&self) -> &'static str {
        match self.transition {
            Some(Transition::Creating) => "Creating",
            Some(Transition::Enabling) => "Enabling",
            Some(Transition::Disabling) => "Disabling",
            Some(Transition::Updating) => "Updating",
            Some(Transition::Deleting) => "Deleting",
            None if self.enabled => "Enabled",
            None => "Disabled",
        }
    }

    /// Whether its events are to be taken now.
    #[must_use]
    pub fn is_polled(&self) -> bool {
        self.kind.is_polled()
            && self.enabled
            && !matches!(self.transition, Some(Transition::Disabling | Transition::Deleting))
    }

    /// What no second mapping may have: the source, the function, and the topic or queue.
    #[must_use]
    pub fn identity(&self) -> String {
        let named =
            |names: &Option<Vec<String>>| names.iter().flatten().cloned().collect::<Vec<_>>().join(",");
        let source = match &self.source {
            Some(arn) => arn.clone(),
            None => self.settings.servers().join(","),
        };
        let (topics, queues) = (named(&self.settings.topics), named(&self.settings.queues));
        [&source, &self.function, &topics, &queues].map(String::as_str).join(" ")
    }

    /// AWS's words where there is one like it, `id`.
    #[must_use]
    pub fn taken(&self, id: &str) -> Refusal {
        let function = self.function.split(':').nth(6).unwrap_or(&self.function);
        let source = self.source.as_deref().unwrap_or_default();
        let advice = format!("Please update or delete the existing mapping with UUID {id}");
        Refusal::Conflict(match self.kind {
            SourceKind::Sqs { .. } => format!(
                "An event source mapping with SQS arn (\" {source} \") and function (\" {function} \") already exists. \
                 {advice}"
            ),
            SourceKind::SelfManagedKafka => format!(
                "An event source mapping with event source (\"{}\"), function (\"{}\"), topics (\"{}\") already \
                 exists. {advice}",
                self.settings.servers().join(","),
                self.function,
                self.settings.topics.iter().flatten().cloned().collect::<Vec<_>>().join(",")
            ),
            _ => format!(
                "The event source arn (\" {source} \") and function (\" {function} \") provided mapping already \
                 exists. {advice}"
            ),
        })
    }
}

#[cfg(test)]
mod tests;
