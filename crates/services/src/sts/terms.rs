//! What a session is asked to have beside its role: session policies, tags, an identity (IAM User Guide, "Session
//! policies", "Pass session tags in AWS STS", "Monitor and control actions taken with assumed roles").

use lambent_identity::policy::{Document, PolicyKind};
use lambent_identity::{SessionTag, SessionTerms};
use lambent_wire::sts::{error, types as t};
use lambent_wire::{Error, common};

/// Characters of the inline policy and the ARNs together, and managed policies of one session (STS API Reference,
/// "AssumeRole").
const POLICY_CHARACTERS: usize = 2_048;
const POLICY_ARNS: usize = 10;
/// Bytes of policies and tags in a token. AWS does not say what its own limit is; a token of this size stays below what
/// HTTP/2 clients and servers take as headers (RFC 9113, section 10.5.1: 16 KB is the customary bound).
pub(super) const PACKED: usize = 8_192;

/// The terms that a request asks for, with what the session inherits of its caller's.
pub(super) fn terms(input: &t::AssumeRoleRequest, caller: &SessionTerms) -> Result<SessionTerms, Error> {
    let policy_arns: Vec<String> =
        input.policy_arns.iter().flatten().filter_map(|policy| policy.arn.clone()).collect();
    check_policies(input.policy.as_deref(), &policy_arns)?;
    let terms = SessionTerms {
        policy: input.policy.clone(),
        policy_arns,
        tags: tags(input, caller)?,
        source_identity: source_identity(input, caller)?,
    };
    let used = percentage(&terms);
    if used > 100 {
        let text = match terms.narrow() {
            true => format!("Packed policy consumes {used}% of allotted space, please use smaller policy."),
            false => format!("Packed size of session tags consumes {used}% of allotted space."),
        };
        return Err(error::packed_policy_too_large_exception(text));
    }
    Ok(terms)
}

/// How much of what a token may hold the terms take.
pub(super) fn percentage(terms: &SessionTerms) -> i32 {
    i32::try_from((terms.packed() * 100).div_ceil(PACKED)).unwrap_or(i32::MAX)
}

fn check_policies(policy: Option<&str>, arns: &[String]) -> Result<(), Error> {
    if arns.len() > POLICY_ARNS {
        return Err(common::validation_exception(format!(
            "1 validation error detected: Value at 'policyArns' failed to satisfy constraint: Member must have length less \
             than or equal to {POLICY_ARNS}"
        )));
    }
    let characters = policy.into_iter().chain(arns.iter().map(String::as_str));
    if characters.map(|text| text.chars().count()).sum::<usize>() > POLICY_CHARACTERS {
        return Err(common::validation_exception(format!(
            "1 validation error detected: Value at 'policy' failed to satisfy constraint: Member must have length less than \
             or equal to {POLICY_CHARACTERS}"
        )));
    }
    let read = policy.map(|policy| Document::parse(policy, PolicyKind::Identity)).transpose();
    read.map(drop).map_err(|malformed| error::malformed_policy_document_exception(malformed.to_string()))
}

/// Keys have no case, so that none may come twice; what a caller's session hands on cannot be changed.
fn tags(input: &t::AssumeRoleRequest, caller: &SessionTerms) -> Result<Vec<SessionTag>, Error> {
    let refuse = |text: String| Err(common::validation_exception(text));
    let mut tags: Vec<SessionTag> = caller.tags.iter().filter(|tag| tag.transitive).cloned().collect();
    let inherited = tags.len();
    for t::Tag { key, value } in input.tags.iter().flatten() {
        if key.to_ascii_lowercase().starts_with("aws:") {
            return refuse(format!("Tag keys must not begin with \"aws:\", which is reserved: {key}"));
        }
        match tags.iter().position(|tag| tag.key.eq_ignore_ascii_case(key)) {
            Some(at) if at < inherited => {
                return refuse(format!(
                    "The session tag {key} can't be set because it conflicts with a transitive tag key from the calling \
                     session."
                ));
            }
            Some(_) => return refuse(format!("Duplicate tag keys found: {key}")),
            None => {}
        }
        tags.push(SessionTag { key: key.clone(), value: value.clone(), transitive: false });
    }
    for key in input.transitive_tag_keys.iter().flatten() {
        match tags[inherited..].iter_mut().find(|tag| tag.key.eq_ignore_ascii_case(key)) {
            Some(tag) => tag.transitive = true,
            None => {
                return refuse(format!(
                    "The specified transitive tag key must be included in the requested tags: {key}"
                ));
            }
        }
    }
    Ok(tags)
}

/// It stays what it is through a chain of sessions.
fn source_identity(input: &t::AssumeRoleRequest, caller: &SessionTerms) -> Result<Option<String>, Error> {
    match (&caller.source_identity, &input.source_identity) {
        (Some(set), Some(asked)) if set != asked => Err(common::access_denied(
            "the source identity of the calling session is set already, and cannot be changed in a chain of sessions",
        )),
        (_, Some(asked)) if asked.to_ascii_lowercase().starts_with("aws:") => Err(
            common::validation_exception("SourceIdentity must not begin with \"aws:\", which is reserved"),
        ),
        (set, asked) => Ok(set.clone().or_else(|| asked.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(key: &str) -> t::Tag {
        t::Tag { key: key.to_owned(), value: "v".to_owned() }
    }

    fn request() -> t::AssumeRoleRequest {
        t::AssumeRoleRequest {
            tags: Some(vec![tag("Team"), tag("Cost")]),
            transitive_tag_keys: Some(vec!["team".to_owned()]),
            source_identity: Some("ann".to_owned()),
            ..Default::default()
        }
    }

    #[test]
    fn what_is_transitive_is_inherited_and_stays() {
        let first = terms(&request(), &SessionTerms::default()).unwrap();
        let next = terms(&t::AssumeRoleRequest::default(), &first).unwrap();
        let keys: Vec<(&str, bool)> =
            next.tags.iter().map(|tag| (tag.key.as_str(), tag.transitive)).collect();
        assert_eq!((keys, next.source_identity.as_deref()), (vec![("Team", true)], Some("ann")));
        let third = terms(&t::AssumeRoleRequest::default(), &next).unwrap();
        assert_eq!(third, next);
        for (change, part) in [
            (t::AssumeRoleRequest { tags: Some(vec![tag("TEAM")]), ..Default::default() }, "conflicts"),
            (t::AssumeRoleRequest { source_identity: Some("bob".into()), ..Default::default() }, "chain"),
        ] {
            assert!(terms(&change, &first).unwrap_err().to_string().contains(part), "{part}");
        }
    }

    #[test]
    fn what_cannot_be_kept_to_is_refused() {
        let statement = r#"{"Effect":"Allow","Action":"s3:*","Resource":"*"}"#;
        let long = |value: &str| t::Tag { key: value.to_owned(), value: "v".repeat(256) };
        let base = t::AssumeRoleRequest::default();
        let many: Vec<t::Tag> = (0..50).map(|n| long(&format!("{}{n}", "k".repeat(120)))).collect();
        for (request, part) in [
            (t::AssumeRoleRequest { policy: Some("{}".into()), ..base.clone() }, "Missing required field"),
            (t::AssumeRoleRequest { policy: Some(" ".repeat(2_049)), ..base.clone() }, "2048"),
            (
                t::AssumeRoleRequest {
                    policy: Some(format!(r#"{{"Statement":[{statement}]"#)),
                    ..base.clone()
                },
                "Json",
            ),
            (t::AssumeRoleRequest { tags: Some(vec![tag("a"), tag("A")]), ..base.clone() }, "Duplicate"),
            (t::AssumeRoleRequest { tags: Some(vec![tag("aws:a")]), ..base.clone() }, "reserved"),
            (
                t::AssumeRoleRequest { transitive_tag_keys: Some(vec!["a".into()]), ..base.clone() },
                "included",
            ),
            (t::AssumeRoleRequest { tags: Some(many), ..base }, "Packed size of session tags consumes 24"),
        ] {
            let error = terms(&request, &SessionTerms::default()).unwrap_err().to_string();
            assert!(error.contains(part), "{part}: {error}");
        }
    }
}
