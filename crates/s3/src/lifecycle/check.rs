//! Whether a configuration may be put (API Reference, `PutBucketLifecycleConfiguration`, `LifecycleRule`). Pure.

use s3s::dto::{BucketLifecycleConfiguration, ExpirationStatus, LifecycleExpiration, LifecycleRule};
use s3s::{S3Error, S3ErrorCode, S3Result};

use super::rules::{SECONDS_OF_DAY, Scope};
use crate::api::epoch_seconds;
use crate::refuse::{invalid_argument, malformed_xml};

/// Rules of a configuration, and characters of their ids.
const RULES: usize = 1000;
const ID_LENGTH: usize = 255;
/// `NewerNoncurrentVersions`.
const NEWER_VERSIONS: i32 = 100;

fn invalid(text: impl Into<String>) -> S3Error {
    S3Error::with_message(S3ErrorCode::InvalidRequest, text.into())
}

pub(crate) fn check(configuration: &BucketLifecycleConfiguration) -> S3Result<()> {
    let rules = &configuration.rules;
    if rules.is_empty() || rules.len() > RULES {
        return Err(malformed_xml());
    }
    for (index, rule) in rules.iter().enumerate() {
        if rule.id.as_ref().is_some_and(|id| id.chars().count() > ID_LENGTH) {
            return Err(invalid_argument("ID length should not exceed allowed limit of 255"));
        }
        if rule.id.is_some() && rules[..index].iter().any(|other| other.id == rule.id) {
            return Err(invalid_argument("RuleId must be unique. Found same ID for more than one rule"));
        }
        check_rule(rule)?;
    }
    Ok(())
}

fn check_rule(rule: &LifecycleRule) -> S3Result<()> {
    if ![ExpirationStatus::ENABLED, ExpirationStatus::DISABLED].contains(&rule.status.as_str()) {
        return Err(malformed_xml());
    }
    let scope = check_scope(rule)?;
    let abort = rule.abort_incomplete_multipart_upload.as_ref();
    let noncurrent = rule.noncurrent_version_expiration.as_ref();
    let transitions = rule.transitions.iter().flatten().count()
        + rule.noncurrent_version_transitions.iter().flatten().count();
    if rule.expiration.is_none() && abort.is_none() && noncurrent.is_none() && transitions == 0 {
        return Err(invalid("At least one action needs to be specified in a rule"));
    }
    if let Some(expiration) = &rule.expiration {
        check_expiration(expiration, &scope)?;
    }
    if let Some(noncurrent) = noncurrent {
        positive(noncurrent.noncurrent_days, "'NoncurrentDays' for NoncurrentVersionExpiration action")?;
        if noncurrent.newer_noncurrent_versions.is_some_and(|count| !(1..=NEWER_VERSIONS).contains(&count)) {
            return Err(invalid_argument(
                "'NewerNoncurrentVersions' for NoncurrentVersionExpiration action must be between 1 and 100",
            ));
        }
    }
    if let Some(abort) = abort {
        positive(
            abort.days_after_initiation,
            "'DaysAfterInitiation' for AbortIncompleteMultipartUpload action",
        )?;
        if !scope.tags.is_empty() {
            return Err(invalid("AbortIncompleteMultipartUpload cannot be specified with Tags."));
        }
        if scope.larger_than.is_some() || scope.smaller_than.is_some() {
            return Err(invalid("AbortIncompleteMultipartUpload cannot be specified with Object Size."));
        }
    }
    Ok(())
}

/// "A Filter must have exactly one of Prefix, Tag, ObjectSizeGreaterThan, ObjectSizeLessThan, or And specified."
fn check_scope(rule: &LifecycleRule) -> S3Result<Scope> {
    let has_prefix = rule.prefix.is_some();
    if has_prefix == rule.filter.is_some() {
        return Err(malformed_xml());
    }
    if let Some(filter) = &rule.filter {
        let named = [
            filter.prefix.is_some(),
            filter.tag.is_some(),
            filter.object_size_greater_than.is_some(),
            filter.object_size_less_than.is_some(),
            filter.and.is_some(),
        ];
        if named.into_iter().filter(|is_named| *is_named).count() > 1 {
            return Err(malformed_xml());
        }
    }
    let scope = Scope::of(rule);
    for (index, (key, _)) in scope.tags.iter().enumerate() {
        if scope.tags[..index].iter().any(|(other, _)| other == key) {
            return Err(invalid("Duplicate Tag Keys are not allowed."));
        }
    }
    if let (Some(larger), Some(smaller)) = (scope.larger_than, scope.smaller_than)
        && larger >= smaller
    {
        return Err(invalid("'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'"));
    }
    Ok(scope)
}

fn check_expiration(expiration: &LifecycleExpiration, scope: &Scope) -> S3Result<()> {
    let named = [
        expiration.days.is_some(),
        expiration.date.is_some(),
        expiration.expired_object_delete_marker.is_some(),
    ];
    if named.into_iter().filter(|is_named| *is_named).count() != 1 {
        return Err(malformed_xml());
    }
    if let Some(days) = expiration.days {
        positive(Some(days), "'Days' for Expiration action")?;
    }
    if expiration.date.as_ref().is_some_and(|date| epoch_seconds(date) % SECONDS_OF_DAY != 0) {
        return Err(invalid_argument("'Date' must be at midnight GMT"));
    }
    if expiration.expired_object_delete_marker.is_some() && !scope.tags.is_empty() {
        return Err(invalid("ExpiredObjectDeleteMarker cannot be specified with Tags."));
    }
    Ok(())
}

fn positive(days: Option<i32>, what: &str) -> S3Result<()> {
    match days {
        Some(days) if days > 0 => Ok(()),
        _ => Err(invalid_argument(format!("{what} must be a positive integer"))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::rules::tests::configuration;
    use super::*;

    #[test]
    fn what_may_be_put_and_what_not() {
        let rule = |inside: &str| configuration(&format!("<Rule><Status>Enabled</Status>{inside}</Rule>"));
        let days = "<Expiration><Days>1</Days></Expiration>";
        let tag = "<Tag><Key>a</Key><Value>1</Value></Tag>";
        let abort = "<AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation>\
                     </AbortIncompleteMultipartUpload>";
        for good in [
            format!("<Filter/>{days}"),
            format!("<Filter><Prefix></Prefix></Filter>{days}{abort}"),
            format!("<Prefix>a</Prefix>{days}"),
            format!("<Filter>{tag}</Filter>{days}"),
            "<Filter/><Expiration><Date>2030-01-01T00:00:00Z</Date></Expiration>".into(),
            "<Filter/><Transition><Days>30</Days><StorageClass>GLACIER</StorageClass></Transition>".into(),
        ] {
            assert!(check(&rule(&good)).is_ok(), "{good}");
        }
        for bad in [
            days.to_owned(),
            "<Filter/>".into(),
            format!("<Filter/><Prefix></Prefix>{days}"),
            format!("<Filter><Prefix>a</Prefix>{tag}</Filter>{days}"),
            format!("<Filter><And>{tag}{tag}</And></Filter>{days}"),
            format!("<Filter>{tag}</Filter>{abort}"),
            "<Filter/><Expiration><Days>0</Days></Expiration>".into(),
            "<Filter/><Expiration/>".into(),
            "<Filter/><Expiration><Date>2030-01-01T00:00:01Z</Date></Expiration>".into(),
            "<Filter/><NoncurrentVersionExpiration/>".into(),
        ] {
            assert!(check(&rule(&bad)).is_err(), "{bad}");
        }
        let twice = format!("<Rule><ID>x</ID><Status>Enabled</Status><Filter/>{days}</Rule>");
        assert!(check(&configuration(&twice)).is_ok() && check(&configuration(&twice.repeat(2))).is_err());
        let none = BucketLifecycleConfiguration { rules: Vec::new() };
        assert!(check(&none).is_err());
    }
}
