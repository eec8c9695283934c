//! The policies that AWS manages, as far as roles of functions are given them (AWS Managed Policy Reference).
//!
//! Names, paths and what they permit are AWS's; ids, dates and numbers of versions are not.

use std::sync::LazyLock;

use lambent_model::Timestamp;
use lambent_wire::iam::types as t;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::documents::encoded;
use super::names::{date, policy_arn, spelled};

/// The one version that each has here.
pub(super) const VERSION: &str = "v1";
/// A day before any account of this server: 2015-01-01.
pub(super) const CREATED: Timestamp = Timestamp::from_millis(1_420_070_400_000);

/// One of them.
#[derive(Deserialize)]
pub(super) struct AwsPolicy {
    path: String,
    name: String,
    document: Box<RawValue>,
}

static ALL: LazyLock<Vec<AwsPolicy>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("aws/policies.json")).expect("the tests read the file")
});

pub(super) fn all() -> impl Iterator<Item = &'static AwsPolicy> {
    ALL.iter()
}

pub(super) fn find(arn: &str) -> Option<&'static AwsPolicy> {
    all().find(|policy| policy_arn("aws", &policy.path, &policy.name) == arn)
}

impl AwsPolicy {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn document(&self) -> &str {
        self.document.get()
    }

    /// Always the same for the same policy, and in the form of AWS's.
    pub(super) fn id(&self) -> String {
        // FNV-1a (Fowler, Noll, Vo), so that ids neither change nor need a table.
        let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        let hash = |seed: u8| self.name.bytes().fold(step(0xcbf2_9ce4_8422_2325, seed), step).to_le_bytes();
        let bytes = [hash(0), hash(1), hash(2)].concat();
        spelled("ANPA", &bytes[..17])
    }

    pub(super) fn version(&self, with_document: bool) -> t::PolicyVersion {
        t::PolicyVersion {
            document: with_document.then(|| encoded(self.document())),
            version_id: Some(VERSION.to_owned()),
            is_default_version: Some(true),
            create_date: Some(date(CREATED)),
        }
    }
}

#[cfg(test)]
mod tests {
    use lambent_identity::policy::{Document, PolicyKind};

    use super::*;

    #[test]
    fn each_is_a_policy_and_has_an_id_of_its_own() {
        let mut ids = std::collections::BTreeSet::new();
        for policy in all() {
            Document::parse(policy.document(), PolicyKind::Identity)
                .unwrap_or_else(|error| panic!("{}: {error}", policy.name));
            assert!(ids.insert(policy.id()) && policy.id().len() == 21, "{}", policy.name);
        }
        assert!(find("arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole").is_some());
        assert!(find("arn:aws:iam::aws:policy/AWSLambdaBasicExecutionRole").is_none());
    }

    #[test]
    fn the_table_of_what_works_names_them_all() {
        let page = include_str!("../../../../docs/compatibility.md");
        for policy in all() {
            assert!(
                page.contains(&format!("`{}`", policy.name)),
                "{} is not in docs/compatibility.md",
                policy.name
            );
        }
    }
}
