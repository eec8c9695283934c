//! Policy documents: checked when they come, percent-encoded when they go (IAM API Reference, "GetRolePolicy": documents
//! are URL-encoded in compliance with RFC 3986).

use lambent_identity::policy::{Document, PolicyKind};
use lambent_wire::Error;
use lambent_wire::iam::error;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// RFC 3986's unreserved characters.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Characters of a trust policy, of all inline policies of a role together, and of a managed policy; white space does
/// not count (IAM User Guide, "IAM and AWS STS quotas").
const TRUST_LENGTH: usize = 2_048;
const INLINE_LENGTH: usize = 10_240;
const MANAGED_LENGTH: usize = 6_144;

pub(super) fn encoded(document: &str) -> String {
    utf8_percent_encode(document, ENCODED).to_string()
}

fn length(document: &str) -> usize {
    document.chars().filter(|character| !character.is_whitespace()).count()
}

fn read(document: &str, kind: PolicyKind) -> Result<(), Error> {
    let read = Document::parse(document, kind);
    read.map(drop).map_err(|malformed| error::malformed_policy_document_exception(malformed.to_string()))
}

pub(super) fn check_trust(document: &str) -> Result<(), Error> {
    read(document, PolicyKind::Trust)?;
    if length(document) > TRUST_LENGTH {
        return Err(exceeded("ACLSizePerRole", TRUST_LENGTH));
    }
    Ok(())
}

pub(super) fn check_managed(document: &str) -> Result<(), Error> {
    read(document, PolicyKind::Identity)?;
    if length(document) > MANAGED_LENGTH {
        return Err(exceeded("PolicySize", MANAGED_LENGTH));
    }
    Ok(())
}

/// Whether the form of an inline policy is right; its size counts with that of its role's others.
pub(super) fn check_inline(document: &str) -> Result<(), Error> {
    read(document, PolicyKind::Identity)
}

pub(super) fn check_inline_size<'d>(role: &str, all: impl Iterator<Item = &'d String>) -> Result<(), Error> {
    if all.map(|document| length(document)).sum::<usize>() > INLINE_LENGTH {
        return Err(error::limit_exceeded_exception(format!(
            "Maximum policy size of {INLINE_LENGTH} bytes exceeded for role {role}"
        )));
    }
    Ok(())
}

/// In AWS's words.
pub(super) fn exceeded(quota: &str, limit: usize) -> Error {
    error::limit_exceeded_exception(format!("Cannot exceed quota for {quota}: {limit}"))
}
