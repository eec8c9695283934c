//! A function as it is stored, and the states it passes through.
//!
//! ```text
//! create ──▶ Pending ──activate──▶ Active ──update──▶ Active, InProgress ──settle──▶ Active, Successful
//!            Pending ──▶ Failed, for good: a version with SnapStart that cannot be initialised
//! ```
//! Source: AWS Lambda Developer Guide, "Lambda function states".

use std::collections::BTreeMap;
use std::sync::Arc;

use lambent_model::{FunctionArn, RevisionId, Sha256, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{Architecture, EventInvoke, FunctionUrl, Policy, ProvisionedConfigs, Refusal, Settings};

/// The deployment package of a function, or a folder in its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Code {
    /// Digest of the zip file; of a folder that of its name.
    pub sha256: Sha256,
    /// Size of the zip file in bytes; 0 of a folder.
    pub size: u64,
    /// A folder of this machine that is run as it is at each moment. There is no package then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
}

/// `State`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// Being created.
    Pending,
    /// Ready.
    Active,
    /// Of no use: it could not be initialised when it was published.
    Failed,
}

impl State {
    /// AWS's word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Active => "Active",
            Self::Failed => "Failed",
        }
    }
}

/// `LastUpdateStatus`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LastUpdate {
    /// An update waits to take effect.
    InProgress,
    /// The last update, or the creation, has taken effect.
    Successful,
    /// It has not.
    Failed,
}

/// What came of preparing a version with SnapStart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preparation {
    /// There is a snapshot.
    Optimized,
    /// There is none, for a reason that is not the function's: it starts anew in each environment.
    Plain,
    /// It cannot be initialised.
    Failed,
}

/// `UpdateRuntimeOn` (AWS Lambda Developer Guide, "Understanding how Lambda manages runtime version updates").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum RuntimeUpdate {
    /// As soon as there is a newer one.
    #[default]
    Auto,
    /// With the function's next update.
    FunctionUpdate,
    /// Never by itself.
    Manual,
}

/// What every change leaves behind: a moment and a new revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// When.
    pub at: Timestamp,
    /// The revision that results.
    pub revision: RevisionId,
}

/// One function: its `$LATEST`, or a version that was published of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Function {
    /// Account, region and name, as one text.
    pub arn: String,
    /// The name alone.
    pub name: String,
    /// The version's number; `None` for `$LATEST`.
    #[serde(default)]
    pub version: Option<u64>,
    /// The number of the version that was published last, 0 before the first.
    #[serde(default)]
    pub last_version: u64,
    /// The description that was given when the version was published, in place of the configuration's.
    #[serde(default)]
    pub published_description: Option<String>,
    /// What the user configured. Whoever holds several versions of a function can have them share what is equal
    /// ([`Function::share_settings`]).
    #[serde(serialize_with = "shared::serialize", deserialize_with = "shared::deserialize")]
    pub settings: Arc<Settings>,
    /// Instruction set.
    pub architecture: Architecture,
    /// The package.
    pub code: Code,
    /// Who else may use the function, by exactly this qualifier or by none.
    #[serde(default)]
    pub policy: Policy,
    /// Concurrent executions that are the function's alone, and all it has. Versions share the function's.
    #[serde(default)]
    pub reserved_concurrency: Option<u32>,
    /// Provisioned concurrency, by version or alias. Versions have none of their own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub provisioned: ProvisionedConfigs,
    /// How asynchronous invocations are treated, by qualifier, `$LATEST` among them. Versions have none of their own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub event_invoke: BTreeMap<String, EventInvoke>,
    /// Its URLs, by alias, `$LATEST` standing for the function itself. That of a deleted alias stays, as on AWS.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub urls: BTreeMap<String, FunctionUrl>,
    /// The id of its code signing configuration. Versions have the function's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_signing: Option<String>,
    /// `RecursiveLoop`: whether the function may call itself over other services. Versions have the function's.
    #[serde(default)]
    pub may_recurse: bool,
    /// When this version's runtime may change.
    #[serde(default)]
    pub runtime_update: RuntimeUpdate,
    /// Tags. Versions have none.
    pub tags: BTreeMap<String, String>,
    /// Life cycle.
    pub state: State,
    /// `None` while the function is being created.
    pub last_update: Option<LastUpdate>,
    /// Changes with every change.
    pub revision: RevisionId,
    /// When code or configuration last changed.
    pub last_modified: Timestamp,
    /// Whether a snapshot of it was taken, of a version with SnapStart.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optimized: bool,
}

impl Function {
    /// A new function, `Pending`.
    #[must_use]
    pub fn create(
        arn: &FunctionArn,
        settings: Settings,
        architecture: Architecture,
        code: Code,
        tags: BTreeMap<String, String>,
        stamp: Stamp,
    ) -> Self {
        Self {
            arn: arn.to_string(),
            name: arn.name.clone(),
            version: None,
            last_version: 0,
            published_description: None,
            policy: Policy::default(),
            reserved_concurrency: None,
            provisioned: BTreeMap::new(),
            event_invoke: BTreeMap::new(),
            urls: BTreeMap::new(),
            code_signing: None,
            may_recurse: false,
            runtime_update: RuntimeUpdate::Auto,
            settings: Arc::new(settings),
            architecture,
            code,
            tags,
            state: State::Pending,
            last_update: None,
            revision: stamp.revision,
            last_modified: stamp.at,
            optimized: false,
        }
    }

    /// As at the beginning of its life.
    pub(crate) fn beginning(self) -> Self {
        Self { state: State::Pending, last_update: None, ..self }
    }

    /// `$LATEST` or the version's number.
    #[must_use]
    pub fn version_text(&self) -> String {
        crate::Pointed::from(self.version).to_string()
    }

    /// Whether something waits to take effect.
    #[must_use]
    pub fn is_settling(&self) -> bool {
        self.state == State::Pending || self.last_update == Some(LastUpdate::InProgress)
    }

    /// Pending ⇒ Active; InProgress ⇒ Successful. The revision changes, `LastModified` does not.
    #[must_use]
    pub fn settled(mut self, revision: RevisionId) -> Self {
        self.state = State::Active;
        self.last_update = Some(LastUpdate::Successful);
        self.revision = revision;
        self
    }

    /// The same for a version with SnapStart. Pending ⇒ Failed: "Lambda encountered an error when running the
    /// initialization code" ("Activating and managing Lambda SnapStart").
    #[must_use]
    pub fn prepared(self, revision: RevisionId, preparation: Preparation) -> Self {
        let settled = Self { optimized: preparation == Preparation::Optimized, ..self.settled(revision) };
        match preparation {
            Preparation::Failed => {
                Self { state: State::Failed, last_update: Some(LastUpdate::Failed), ..settled }
            }
            _ => settled,
        }
    }

    /// Whether an alias may point to it.
    ///
    /// # Errors
    /// When it has failed.
    pub fn check_not_failed(&self) -> Result<(), Refusal> {
        if self.state == State::Failed {
            // Observed on AWS (terraform-provider-aws, issue 49904): the states' names, in such quotes.
            return Err(Refusal::Conflict(
                "The operation cannot be performed at this time. The function is currently in the following state: \
                 'Failed', StateReasonCode: 'FunctionError'"
                    .into(),
            ));
        }
        Ok(())
    }

    /// Whether tags may change now (Developer Guide, "Lambda function states": what fails during an update).
    ///
    /// # Errors
    /// While the function is being updated.
    pub fn check_taggable(&self) -> Result<(), Refusal> {
        if self.last_update == Some(LastUpdate::InProgress) {
            return Err(Refusal::Conflict(format!(
                "The operation cannot be performed at this time. An update is in progress for resource: {}",
                self.arn
            )));
        }
        Ok(())
    }

    /// Whether code and configuration may change now.
    ///
    /// # Errors
    /// While the function is being created or updated, or when the caller expected another revision.
    pub fn check_changeable(&self, expected: Option<&str>) -> Result<(), Refusal> {
        if self.state == State::Pending {
            return Err(Refusal::Conflict(
                "The operation cannot be performed at this time. The function is currently in the following state: \
                 Pending"
                    .into(),
            ));
        }
        self.check_taggable()?;
        match expected {
            Some(expected) if expected != self.revision.to_string() => {
                Err(Refusal::stale_revision("GetFunction/GetAlias"))
            }
            _ => Ok(()),
        }
    }

    /// With another policy, which is a change of what it hangs on.
    #[must_use]
    pub fn with_policy(self, policy: Policy, revision: RevisionId) -> Self {
        Self { policy, revision, ..self }
    }

    /// With new code; takes effect when settled.
    #[must_use]
    pub fn with_code(mut self, code: Code, architecture: Option<Architecture>, stamp: Stamp) -> Self {
        self.code = code;
        self.architecture = architecture.unwrap_or(self.architecture);
        self.updated(stamp)
    }

    /// With new settings; they take effect when settled.
    #[must_use]
    pub fn with_settings(mut self, settings: Settings, stamp: Stamp) -> Self {
        self.settings = Arc::new(settings);
        self.updated(stamp)
    }

    /// Has both hold their settings once, if these are equal: a version mostly has those of another.
    pub fn share_settings(&mut self, with: &Self) -> bool {
        let are_equal = self.settings == with.settings;
        if are_equal {
            self.settings = Arc::clone(&with.settings);
        }
        are_equal
    }

    fn updated(mut self, stamp: Stamp) -> Self {
        self.last_update = Some(LastUpdate::InProgress);
        self.last_modified = stamp.at;
        self.revision = stamp.revision;
        self
    }
}

/// Settings in the record as if nobody shared them.
mod shared {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::Settings;

    pub(super) fn serialize<S: Serializer>(settings: &Arc<Settings>, to: S) -> Result<S::Ok, S::Error> {
        Settings::serialize(settings, to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<Settings>, D::Error> {
        Settings::deserialize(from).map(Arc::new)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn stamp(n: u8) -> Stamp {
        let revision = format!("00000000-0000-4000-8000-0000000000{n:02}").parse().unwrap();
        Stamp { at: Timestamp::from_millis(i64::from(n)), revision }
    }

    pub(crate) fn function() -> Function {
        let scope = lambent_model::Scope {
            account: "000000000000".parse().unwrap(),
            region: "us-east-1".parse().unwrap(),
        };
        let arn = FunctionArn { scope, name: "f".into() };
        let settings = Settings::new("role".into(), "python3.12".into(), "f.h".into());
        let code = Code { sha256: Sha256([0; 32]), size: 1, folder: None };
        Function::create(&arn, settings, Architecture::X86_64, code, BTreeMap::new(), stamp(1))
    }

    #[test]
    fn equal_settings_are_held_once_and_written_as_ever() {
        let (one, mut two) = (function(), function());
        assert!(two.share_settings(&one) && Arc::ptr_eq(&one.settings, &two.settings));
        let json = serde_json::to_value(&two).unwrap();
        assert_eq!(json["settings"], serde_json::to_value(&*one.settings).unwrap());
        assert_eq!(serde_json::from_value::<Function>(json).unwrap(), two);
        let other = Settings { memory_mb: 256, ..(*one.settings).clone() };
        let mut other = two.with_settings(other, stamp(2));
        assert!(!other.share_settings(&one) && other.settings.memory_mb == 256);
    }

    #[test]
    fn life_runs_from_pending_to_successful() {
        let created = function();
        assert_eq!((created.state, created.last_update), (State::Pending, None));
        assert!(matches!(created.check_changeable(None), Err(Refusal::Conflict(_))));
        let active = created.settled(stamp(2).revision);
        assert_eq!((active.state, active.last_update), (State::Active, Some(LastUpdate::Successful)));
        assert_eq!(active.last_modified, stamp(1).at);
        let updating = active.clone().with_code(active.code.clone(), None, stamp(3));
        assert!(updating.is_settling() && updating.state == State::Active);
        assert!(matches!(updating.check_changeable(None), Err(Refusal::Conflict(_))));
        assert!(!updating.settled(stamp(4).revision).is_settling());
    }

    #[test]
    fn another_revision_is_a_failed_precondition() {
        let active = function().settled(stamp(2).revision);
        assert_eq!(active.check_changeable(Some(&stamp(2).revision.to_string())), Ok(()));
        let stale = active.check_changeable(Some(&stamp(1).revision.to_string()));
        assert!(matches!(stale, Err(Refusal::PreconditionFailed(_))));
    }

    #[test]
    fn change_keeps_what_it_does_not_name() {
        let settings = function().settings;
        let change = Change { memory_mb: Some(256), ..Change::default() };
        let changed = settings.changed(change, |_| false).unwrap();
        assert_eq!((changed.memory_mb, changed.timeout_s), (256, 3));
        let over = Change { timeout_s: Some(901), ..Change::default() };
        assert!(settings.changed(over, |_| false).is_err());
    }

    use crate::Change;
}
