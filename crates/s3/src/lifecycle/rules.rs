//! The rules of a configuration, and what they say of an object. Pure.
//!
//! User Guide, "Lifecycle configuration elements", "Expiring objects".

use lambent_model::Timestamp;
use s3s::dto::{BucketLifecycleConfiguration, ExpirationStatus, LifecycleRule, LifecycleRuleFilter};

use crate::api::epoch_seconds;
use crate::records::Object;
use crate::tags::Tags;

pub(crate) const SECONDS_OF_DAY: i64 = 86_400;

/// When something is over: a midnight, in seconds since the epoch, and the rule that says so.
pub(crate) type End<'a> = (i64, &'a str);

/// The rules of a bucket that are enabled.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Lifecycle {
    rules: Vec<Rule>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Rule {
    id: String,
    scope: Scope,
    expires: Option<Moment>,
    /// `ExpiredObjectDeleteMarker`.
    clears_markers: bool,
    noncurrent: Option<Noncurrent>,
    /// `AbortIncompleteMultipartUpload`: days after the beginning.
    abort: Option<u32>,
}

/// `Filter`, or `Prefix` of old configurations.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Scope {
    pub(super) prefix: String,
    pub(super) tags: Tags,
    pub(super) larger_than: Option<u64>,
    pub(super) smaller_than: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// Days after the object was made.
    Days(u32),
    /// Seconds since the epoch.
    Date(i64),
}

/// `NoncurrentVersionExpiration`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Noncurrent {
    /// Days after the version was replaced.
    days: u32,
    /// So many stay, however old they are.
    keep: u32,
}

/// "adding the number of days … and rounding up the resulting time to the next day midnight UTC".
fn midnight(at: Timestamp, days: u32) -> i64 {
    let end = at.seconds().saturating_add(i64::from(days) * SECONDS_OF_DAY);
    let whole = end.div_euclid(SECONDS_OF_DAY) + i64::from(end.rem_euclid(SECONDS_OF_DAY) > 0);
    whole * SECONDS_OF_DAY
}

fn days(days: Option<i32>) -> Option<u32> {
    days.and_then(|days| u32::try_from(days).ok()).filter(|days| *days > 0)
}

impl Scope {
    pub(super) fn of(rule: &LifecycleRule) -> Self {
        let bytes = |size: Option<i64>| size.and_then(|size| u64::try_from(size).ok());
        let tag = |tag: &s3s::dto::Tag| {
            (tag.key.clone().unwrap_or_default(), tag.value.clone().unwrap_or_default())
        };
        let prefix = |prefix: &Option<String>| prefix.clone().unwrap_or_default();
        match &rule.filter {
            Some(LifecycleRuleFilter { and: Some(and), .. }) => Self {
                prefix: prefix(&and.prefix),
                tags: and.tags.iter().flatten().map(tag).collect(),
                larger_than: bytes(and.object_size_greater_than),
                smaller_than: bytes(and.object_size_less_than),
            },
            Some(filter) => Self {
                prefix: prefix(&filter.prefix),
                tags: filter.tag.iter().map(tag).collect(),
                larger_than: bytes(filter.object_size_greater_than),
                smaller_than: bytes(filter.object_size_less_than),
            },
            None => Self { prefix: prefix(&rule.prefix), ..Self::default() },
        }
    }

    fn covers(&self, key: &str, size: u64, tags: &Tags) -> bool {
        key.starts_with(&self.prefix)
            && self.larger_than.is_none_or(|bound| size > bound)
            && self.smaller_than.is_none_or(|bound| size < bound)
            && self.tags.iter().all(|tag| tags.contains(tag))
    }
}

impl Rule {
    fn of(rule: &LifecycleRule) -> Self {
        let expiration = rule.expiration.as_ref();
        let on = |date: &s3s::dto::Timestamp| Moment::Date(epoch_seconds(date));
        let noncurrent = rule.noncurrent_version_expiration.as_ref().and_then(|expiration| {
            let keep = days(expiration.newer_noncurrent_versions).unwrap_or(0);
            Some(Noncurrent { days: days(expiration.noncurrent_days)?, keep })
        });
        Self {
            id: rule.id.clone().unwrap_or_default(),
            scope: Scope::of(rule),
            expires: expiration.and_then(|expiration| {
                days(expiration.days).map(Moment::Days).or(expiration.date.as_ref().map(on))
            }),
            clears_markers: expiration.is_some_and(|it| it.expired_object_delete_marker == Some(true)),
            noncurrent,
            abort: rule
                .abort_incomplete_multipart_upload
                .as_ref()
                .and_then(|abort| days(abort.days_after_initiation)),
        }
    }

    fn covers(&self, key: &str, object: &Object) -> bool {
        self.scope.covers(key, object.size, &object.tags)
    }

    fn end_of(&self, object: &Object) -> Option<End<'_>> {
        let at = match self.expires? {
            Moment::Days(days) => midnight(object.modified, days),
            Moment::Date(date) => date,
        };
        Some((at, &self.id))
    }
}

impl Lifecycle {
    /// Rules that are disabled are left out, and so is what [`super::check`] does not let in.
    pub(crate) fn of(configuration: &BucketLifecycleConfiguration) -> Self {
        let enabled =
            configuration.rules.iter().filter(|rule| rule.status.as_str() == ExpirationStatus::ENABLED);
        Self { rules: enabled.map(Rule::of).collect() }
    }

    /// Whether nothing is to be done at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.rules.iter().all(|rule| {
            rule.expires.is_none()
                && !rule.clears_markers
                && rule.noncurrent.is_none()
                && rule.abort.is_none()
        })
    }

    /// Whether older versions are to be looked at.
    pub(crate) fn has_noncurrent(&self) -> bool {
        self.rules.iter().any(|rule| rule.noncurrent.is_some())
    }

    /// With what all keys begin that any rule is about.
    pub(crate) fn prefix(&self) -> &str {
        let Some((first, others)) = self.rules.split_first() else { return "" };
        let first = &*first.scope.prefix;
        let alike = |end: &usize| others.iter().all(|rule| rule.scope.prefix.starts_with(&first[..*end]));
        let ends = first.char_indices().map(|(at, _)| at).chain([first.len()]);
        &first[..ends.rev().find(alike).unwrap_or(0)]
    }

    /// When an object, which is current, expires. Of several rules the earliest counts (User Guide, "Conflicting
    /// lifecycle configurations").
    pub(crate) fn expiry(&self, key: &str, object: &Object) -> Option<End<'_>> {
        let rules = self.rules.iter().filter(|rule| rule.covers(key, object));
        rules.filter_map(|rule| rule.end_of(object)).min()
    }

    /// Whether a delete marker goes that hides nothing any more. A rule that expires objects removes those that are as
    /// old, too.
    pub(crate) fn clears(&self, key: &str, marker: &Object, now: Timestamp) -> bool {
        self.rules.iter().filter(|rule| rule.covers(key, marker)).any(|rule| {
            rule.clears_markers || rule.end_of(marker).is_some_and(|(end, _)| end <= now.seconds())
        })
    }

    /// Whether an older version goes, which was replaced at `since` and before which there are `newer` that are not
    /// current either.
    pub(crate) fn ends(
        &self,
        key: &str,
        version: &Object,
        since: Timestamp,
        newer: u32,
        now: Timestamp,
    ) -> bool {
        let rules = self.rules.iter().filter(|rule| rule.covers(key, version));
        let mut noncurrent = rules.filter_map(|rule| rule.noncurrent);
        noncurrent.any(|rule| newer >= rule.keep && midnight(since, rule.days) <= now.seconds())
    }

    /// When an upload that began at `initiated` is given up.
    pub(crate) fn abortion(&self, key: &str, initiated: Timestamp) -> Option<End<'_>> {
        let rules = self.rules.iter().filter(|rule| key.starts_with(&rule.scope.prefix));
        rules.filter_map(|rule| Some((midnight(initiated, rule.abort?), &*rule.id))).min()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use lambent_model::Timestamp;

    use super::*;
    use crate::api::xml;

    pub(in crate::lifecycle) fn configuration(rules: &str) -> BucketLifecycleConfiguration {
        xml::read(&format!("<Configuration>{rules}</Configuration>")).unwrap()
    }

    fn lifecycle(rules: &str) -> Lifecycle {
        Lifecycle::of(&configuration(rules))
    }

    fn object(modified: Timestamp, size: u64, tags: &[(&str, &str)]) -> Object {
        let tags = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Object { size, tags, ..Object::empty(1, None, modified) }
    }

    /// 2014-01-15, with hours.
    const DAY: i64 = 16_085 * SECONDS_OF_DAY;
    fn at(day: i64, hour: i64) -> Timestamp {
        Timestamp::from_millis((DAY + day * SECONDS_OF_DAY + hour * 3600) * 1000)
    }

    fn rule(inside: &str) -> String {
        format!("<Rule><ID>r</ID><Status>Enabled</Status>{inside}</Rule>")
    }

    #[test]
    fn days_end_at_midnight() {
        // User Guide, "Expiring objects": made on January 15 at 10:30, three days, is over on January 19 at 00:00.
        let three = lifecycle(&rule("<Filter/><Expiration><Days>3</Days></Expiration>"));
        assert_eq!(three.expiry("k", &object(at(0, 10), 1, &[])), Some((DAY + 4 * SECONDS_OF_DAY, "r")));
        assert_eq!(three.expiry("k", &object(at(0, 0), 1, &[])), Some((DAY + 3 * SECONDS_OF_DAY, "r")));
        let date = "<Filter/><Expiration><Date>2014-01-15T00:00:00Z</Date></Expiration>";
        assert_eq!(lifecycle(&rule(date)).expiry("k", &object(at(9, 0), 1, &[])), Some((DAY, "r")));
        let disabled =
            rule("<Filter/><Expiration><Days>3</Days></Expiration>").replace("Enabled", "Disabled");
        assert!(lifecycle(&disabled).is_empty());
    }

    #[test]
    fn filters_are_by_prefix_tags_and_size() {
        let expires = "<Expiration><Days>1</Days></Expiration>";
        let and = "<And><Prefix>logs/</Prefix><Tag><Key>a</Key><Value>1</Value></Tag><Tag><Key>b</Key><Value>2</Value></Tag>\
                   <ObjectSizeGreaterThan>500</ObjectSizeGreaterThan><ObjectSizeLessThan>64000</ObjectSizeLessThan></And>";
        let all = lifecycle(&rule(&format!("<Filter>{and}</Filter>{expires}")));
        let both = [("b", "2"), ("a", "1"), ("c", "3")];
        let covers = |key: &str, size, tags: &[_]| all.expiry(key, &object(at(0, 1), size, tags)).is_some();
        assert!(covers("logs/x", 501, &both));
        assert!(!covers("logs/x", 500, &both) && !covers("logs/x", 64_000, &both));
        assert!(!covers("log/x", 501, &both) && !covers("logs/x", 501, &both[..1]));
        let old = lifecycle(&rule(&format!("<Prefix>logs/</Prefix>{expires}")));
        assert!(old.expiry("logs/x", &object(at(0, 1), 0, &[])).is_some());
        assert!(old.expiry("x", &object(at(0, 1), 0, &[])).is_none());
        let two = |one: &str, two: &str| {
            let rule = |prefix| rule(&format!("<Filter><Prefix>{prefix}</Prefix></Filter>{expires}"));
            lifecycle(&(rule(one) + &rule(two))).prefix().to_owned()
        };
        assert_eq!(
            (two("logs/a", "logs/b"), two("a", "b"), two("é", "éa")),
            ("logs/".into(), "".into(), "é".into())
        );
    }

    #[test]
    fn older_versions_go_by_age_and_count() {
        let expiration =
            "<NoncurrentDays>2</NoncurrentDays><NewerNoncurrentVersions>1</NewerNoncurrentVersions>";
        let rule = rule(&format!(
            "<Filter/><NoncurrentVersionExpiration>{expiration}</NoncurrentVersionExpiration>"
        ));
        let lifecycle = lifecycle(&rule);
        let version = object(at(-100, 0), 1, &[]);
        assert!(!lifecycle.ends("k", &version, at(0, 1), 0, at(9, 0)), "the newest stays");
        assert!(!lifecycle.ends("k", &version, at(0, 1), 1, at(2, 23)), "replaced too lately");
        assert!(lifecycle.ends("k", &version, at(0, 1), 1, at(3, 0)));
        assert_eq!(lifecycle.expiry("k", &version), None);
    }

    #[test]
    fn markers_and_uploads() {
        let marker = Object { is_marker: true, ..object(at(0, 1), 0, &[]) };
        let clears = "<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>";
        assert!(lifecycle(&rule(&format!("<Filter/>{clears}"))).clears("k", &marker, at(0, 2)));
        let days = lifecycle(&rule("<Filter/><Expiration><Days>1</Days></Expiration>"));
        assert!(!days.clears("k", &marker, at(1, 23)) && days.clears("k", &marker, at(2, 0)));
        let abort = "<AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation>\
                     </AbortIncompleteMultipartUpload>";
        let abort = lifecycle(&rule(&format!("<Filter><Prefix>a/</Prefix></Filter>{abort}")));
        assert_eq!(abort.abortion("a/k", at(0, 1)), Some((DAY + 8 * SECONDS_OF_DAY, "r")));
        assert_eq!(abort.abortion("b", at(0, 1)), None);
    }
}
