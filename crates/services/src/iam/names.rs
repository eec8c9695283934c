//! Unique ids, ARNs and dates (IAM User Guide, "IAM identifiers").

use lambent_model::{AccountId, Entropy, Timestamp};
use lambent_wire::iam::error;
use lambent_wire::{DateTime, Error};

/// Base 32 (RFC 4648), of which ids are made.
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// A new unique id: `AROA…` for roles, `ANPA…` for managed policies.
pub(super) fn unique_id(prefix: &str, entropy: &dyn Entropy) -> String {
    let mut random = [0; 17];
    entropy.fill(&mut random);
    spelled(prefix, &random)
}

/// An id of bytes.
pub(super) fn spelled(prefix: &str, bytes: &[u8]) -> String {
    let letters = bytes.iter().map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()]));
    prefix.chars().chain(letters).collect()
}

pub(super) fn role_arn(account: &AccountId, path: &str, name: &str) -> String {
    format!("arn:aws:iam::{account}:role{path}{name}")
}

pub(super) fn policy_arn(account: &str, path: &str, name: &str) -> String {
    format!("arn:aws:iam::{account}:policy{path}{name}")
}

/// Whose policy an ARN names, and which.
pub(super) struct PolicyName<'a> {
    /// An account, or `aws`.
    pub(super) owner: &'a str,
    pub(super) name: &'a str,
}

/// Takes the ARN of a managed policy apart.
pub(super) fn parse_policy_arn(arn: &str) -> Result<PolicyName<'_>, Error> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let named = match parts[..] {
        ["arn", partition, "iam", "", owner, resource] if partition.starts_with("aws") => resource
            .strip_prefix("policy/")
            .and_then(|rest| rest.rsplit('/').next())
            .filter(|name| !name.is_empty())
            .map(|name| PolicyName { owner, name }),
        _ => None,
    };
    named.ok_or_else(|| error::invalid_input_exception(format!("ARN {arn} is not valid.")))
}

/// IAM shows whole seconds.
pub(super) fn date(at: Timestamp) -> DateTime {
    DateTime(Timestamp::from_millis(at.millis() / 1000 * 1000))
}
