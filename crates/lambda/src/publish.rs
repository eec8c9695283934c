//! Publishing: a version is `$LATEST` as it was, for good (AWS Lambda Developer Guide, "Manage Lambda function
//! versions").

use lambent_model::RevisionId;

use crate::{Function, Policy, Refusal};

/// What publishing comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Publication {
    /// Code and configuration are those of the version published last: that version is the answer.
    Unchanged,
    /// A version that did not exist before.
    New {
        /// `$LATEST` afterwards.
        latest: Box<Function>,
        /// The new version.
        version: Box<Function>,
    },
}

impl Function {
    /// Publishes `$LATEST`. `last` is the version that was published last, where it still exists; `description`
    /// overrides the configuration's in the version. The function's own conditions (state, revision) have been
    /// checked.
    #[must_use]
    pub fn publish(
        &self,
        last: Option<&Function>,
        description: Option<String>,
        latest_revision: RevisionId,
        version_revision: RevisionId,
    ) -> Publication {
        if last.is_some_and(|last| self.is_same_snapshot(last)) {
            return Publication::Unchanged;
        }
        // Numbers are never given twice, deleted or not.
        let number = self.last_version + 1;
        let latest = Self { last_version: number, revision: latest_revision, ..self.clone() };
        let version = Self {
            version: Some(number),
            published_description: description,
            // Permissions, tags and reservations stay with what they were made for.
            policy: Policy::default(),
            tags: std::collections::BTreeMap::new(),
            reserved_concurrency: None,
            provisioned: std::collections::BTreeMap::new(),
            event_invoke: std::collections::BTreeMap::new(),
            urls: std::collections::BTreeMap::new(),
            code_signing: None,
            may_recurse: false,
            revision: version_revision,
            ..self.clone()
        };
        // An update in progress is not yet what `$LATEST` runs, and to the version it is a beginning. One with SnapStart is
        // Pending until it has been prepared ("Activating and managing Lambda SnapStart").
        let version =
            if self.is_settling() || self.settings.snap_start { version.beginning() } else { version };
        Publication::New { latest: Box::new(latest), version: Box::new(version) }
    }

    fn is_same_snapshot(&self, version: &Function) -> bool {
        self.code == version.code
            && self.settings == version.settings
            && self.architecture == version.architecture
    }

    /// The description that is shown: a version's may be its own.
    #[must_use]
    pub fn description(&self) -> &str {
        self.published_description.as_deref().unwrap_or(&self.settings.description)
    }

    /// Whether `delete` may remove the version that `aliases` are asked about.
    ///
    /// # Errors
    /// When an alias points to it.
    pub fn check_unreferenced<'a>(aliases: impl Iterator<Item = &'a str>) -> Result<(), Refusal> {
        let names: Vec<&str> = aliases.collect();
        if names.is_empty() {
            return Ok(());
        }
        Err(Refusal::Conflict(format!(
            "Unable to delete version because the following aliases reference it: [{}]",
            names.join(", ")
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::function::tests::{function, stamp};
    use crate::{Change, LastUpdate, State};

    fn revision(n: u8) -> RevisionId {
        stamp(n).revision
    }

    fn new(publication: Publication) -> (Function, Function) {
        match publication {
            Publication::New { latest, version } => (*latest, *version),
            Publication::Unchanged => panic!("nothing was published"),
        }
    }

    #[test]
    fn publishing_again_without_a_change_is_the_same_version() {
        let active = function().settled(revision(2));
        let (latest, one) = new(active.publish(None, Some("first".into()), revision(3), revision(4)));
        assert_eq!((latest.version, latest.last_version, latest.revision), (None, 1, revision(3)));
        assert_eq!((one.version, one.revision, one.description()), (Some(1), revision(4), "first"));
        assert_eq!((one.state, one.last_update), (State::Active, Some(LastUpdate::Successful)));
        let again = latest.publish(Some(&one), Some("second".into()), revision(5), revision(6));
        assert_eq!(again, Publication::Unchanged);

        let change = Change { memory_mb: Some(256), ..Change::default() };
        let settings = latest.settings.changed(change, |_| false).unwrap();
        let changed = latest.with_settings(settings, stamp(7)).settled(revision(8));
        let (latest, two) = new(changed.publish(Some(&one), None, revision(9), revision(10)));
        assert_eq!((two.version, two.settings.memory_mb), (Some(2), 256));
        // The last one deleted: its number does not come back.
        let (_, three) = new(latest.publish(None, None, revision(11), revision(12)));
        assert_eq!(three.version, Some(3));
    }

    #[test]
    fn a_version_published_with_a_change_begins_as_pending() {
        let (_, version) = new(function().publish(None, None, revision(3), revision(4)));
        assert_eq!((version.state, version.last_update), (State::Pending, None));
        let active = function().settled(revision(2));
        let updating = active.clone().with_code(active.code, None, stamp(3));
        let (latest, version) = new(updating.publish(None, None, revision(4), revision(5)));
        assert_eq!((version.state, version.last_update), (State::Pending, None));
        assert_eq!(latest.last_update, Some(LastUpdate::InProgress));
    }
}
