//! What a name with a qualifier stands for.

use lambent_lambda::{Alias, Function, Policy, Refusal};
use lambent_model::{Qualifier, RevisionId, Target};
use lambent_store::{Expect, Store};
use lambent_wire::Error;

use crate::functions::{self, Changes, Stored};
use crate::refuse::{self, not_found};

static NO_POLICY: Policy = Policy::NONE;

/// A function, a version or an alias, as it was named.
pub(crate) struct Found {
    /// How it was named.
    pub(crate) target: Target,
    /// The function's own record.
    pub(crate) stored: Stored,
    /// The version, where one was named or an alias points to one.
    pub(crate) version: Option<Function>,
    /// The alias, where one was named.
    pub(crate) alias: Option<Alias>,
}

impl Found {
    /// Reads what `target` names.
    pub(crate) async fn load(store: &Store, target: Target) -> Result<Self, Error> {
        let absent = || not_found(target.qualified());
        let stored = functions::load(store, &target.function).await?;
        let (mut number, mut alias) = (None, None);
        match &target.qualifier {
            None | Some(Qualifier::Latest) => {}
            Some(Qualifier::Version(version)) => number = Some(*version),
            Some(Qualifier::Alias(name)) => {
                let found = functions::alias(store, &target.function, name).await?.ok_or_else(absent)?;
                number = found.version.number();
                alias = Some(found);
            }
        }
        let version = match number {
            Some(number) => {
                let version = functions::version(store, &target.function, number).await;
                Some(version.map_err(|error| refuse::store(&error))?.ok_or_else(absent)?)
            }
            None => None,
        };
        Ok(Self { target, stored, version, alias })
    }

    /// The configuration that is meant: that of the version, or of `$LATEST`.
    pub(crate) fn function(&self) -> &Function {
        self.version.as_ref().unwrap_or(&self.stored.function)
    }

    /// The ARN to show: qualified when the caller qualified.
    pub(crate) fn arn(&self) -> String {
        match &self.target.qualifier {
            Some(_) => self.target.qualified(),
            None => self.target.function.to_string(),
        }
    }

    /// The policy that hangs on exactly what was named.
    pub(crate) fn policy(&self) -> &Policy {
        match (&self.target.qualifier, &self.alias) {
            // None can be added to it by this name.
            (Some(Qualifier::Latest), _) => &NO_POLICY,
            (_, Some(alias)) => &alias.policy,
            (_, None) => &self.function().policy,
        }
    }

    /// Refuses a revision that is not the latest of what was named.
    pub(crate) fn check_revision(&self, expected: Option<&str>) -> Result<(), Error> {
        match expected {
            Some(expected) if expected != self.revision().to_string() => {
                let api = if self.alias.is_some() { "GetPolicy" } else { "GetFunction/GetAlias" };
                Err(refuse::refusal(&Refusal::stale_revision(api)))
            }
            _ => Ok(()),
        }
    }

    /// The revision of exactly what was named.
    pub(crate) fn revision(&self) -> RevisionId {
        self.alias.as_ref().map_or(self.function().revision, |alias| alias.revision)
    }

    /// Commits another policy and another revision; false when something has changed meanwhile.
    pub(crate) async fn save_policy(
        mut self,
        store: &Store,
        policy: Policy,
        revision: RevisionId,
    ) -> Result<bool, Error> {
        let changes = if let Some(alias) = &mut self.alias {
            (alias.policy, alias.revision) = (policy, revision);
            Changes::alias(alias)
        } else if let Some(version) = self.version.take() {
            Changes::version(Some(self.version.insert(version.with_policy(policy, revision))))
        } else {
            self.stored.function = self.stored.function.with_policy(policy, revision);
            Changes::default()
        };
        let expect = Expect::Version(self.stored.version);
        let saved =
            functions::save("policy", store, &self.target.function, expect, &self.stored.function, changes)
                .await;
        saved.map_err(|error| refuse::store(&error))
    }
}
