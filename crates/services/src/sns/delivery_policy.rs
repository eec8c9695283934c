//! How deliveries to HTTP endpoints are tried again (SNS Developer Guide, "Amazon SNS message delivery retries": "Creating
//! an HTTP/S delivery policy"). Pure.

use std::time::Duration;

use serde_json::{Map, Value, json};

/// "The total policy retry time for an HTTP/S endpoint cannot be greater than 3,600 seconds."
const TOTAL_SECONDS: f64 = 3_600.0;
const RETRIES: u32 = 100;
const DELAY_SECONDS: u32 = 3_600;

/// How waits grow between the smallest and the largest one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Backoff {
    Arithmetic,
    Exponential,
    Geometric,
    Linear,
}

impl Backoff {
    const ALL: [(&'static str, Self); 4] = [
        ("arithmetic", Self::Arithmetic),
        ("exponential", Self::Exponential),
        ("geometric", Self::Geometric),
        ("linear", Self::Linear),
    ];

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, backoff)| *backoff)
    }

    fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, backoff)| *backoff == self).map_or("linear", |(name, _)| name)
    }

    /// The wait at `part` of the way from the first retry of the phase to its last, 0 to 1. The guide draws the four
    /// curves and gives no formulas: in the drawing exponential waits stay small the longest and arithmetic ones the shortest of the three that bend.
    fn wait(self, part: f64, min: f64, max: f64) -> f64 {
        match self {
            Self::Linear => min + (max - min) * part,
            Self::Arithmetic => min + (max - min) * part * part,
            // The first wait can be nothing at all only where all are.
            Self::Geometric => min * (max / min).powf(part),
            Self::Exponential => min * (max / min).powf(part * part),
        }
    }
}

/// `healthyRetryPolicy` with all its members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Retries {
    min: u32,
    max: u32,
    retries: u32,
    no_delay: u32,
    min_delay: u32,
    max_delay: u32,
    backoff: Backoff,
}

impl Default for Retries {
    fn default() -> Self {
        let backoff = Backoff::Linear;
        Self { min: 20, max: 20, retries: 3, no_delay: 0, min_delay: 0, max_delay: 0, backoff }
    }
}

impl Retries {
    /// The waits before each retry, in their order.
    pub(super) fn waits(&self) -> Vec<Duration> {
        let (min, max) = (f64::from(self.min), f64::from(self.max));
        let backoff = self.retries - self.no_delay - self.min_delay - self.max_delay;
        let mut waits = vec![0.0; self.no_delay as usize];
        waits.extend(vec![min; self.min_delay as usize]);
        waits.extend((0..backoff).map(|at| {
            let part = if backoff > 1 { f64::from(at) / f64::from(backoff - 1) } else { 0.0 };
            self.backoff.wait(part, min, max)
        }));
        waits.extend(vec![max; self.max_delay as usize]);
        waits.into_iter().map(Duration::from_secs_f64).collect()
    }

    fn read(policy: &Map<String, Value>) -> Result<Self, String> {
        let mut read = Self::default();
        let number = |name: &str, most: u32| match policy.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match value.as_u64().and_then(|value| u32::try_from(value).ok()) {
                Some(value) if value <= most => Ok(Some(value)),
                Some(_) => Err(format!("{name} must be less than or equal to {most}")),
                None => Err(format!("{name} must be a number that is not negative")),
            },
        };
        // Given alone, one of the two moves the other along, so that it stays between them.
        let (min, max) = (number("minDelayTarget", DELAY_SECONDS)?, number("maxDelayTarget", DELAY_SECONDS)?);
        read.min = min.unwrap_or(read.min.min(max.unwrap_or(read.min)));
        read.max = max.unwrap_or(read.max.max(read.min));
        read.retries = number("numRetries", RETRIES)?.unwrap_or(read.retries);
        read.no_delay = number("numNoDelayRetries", RETRIES)?.unwrap_or(0);
        read.min_delay = number("numMinDelayRetries", RETRIES)?.unwrap_or(0);
        read.max_delay = number("numMaxDelayRetries", RETRIES)?.unwrap_or(0);
        if let Some(name) = policy.get("backoffFunction").filter(|name| !name.is_null()) {
            let known = name.as_str().and_then(Backoff::parse);
            read.backoff = known.ok_or_else(|| format!("backoffFunction {name} is not supported"))?;
        }
        known_members(
            policy,
            &[
                "minDelayTarget",
                "maxDelayTarget",
                "numRetries",
                "numNoDelayRetries",
                "numMinDelayRetries",
                "numMaxDelayRetries",
                "backoffFunction",
            ],
        )?;
        read.check()?;
        Ok(read)
    }

    fn check(&self) -> Result<(), String> {
        if self.min == 0 {
            return Err("minDelayTarget must be greater than or equal to 1".into());
        }
        if self.min > self.max {
            return Err("minDelayTarget must be less than or equal to maxDelayTarget".into());
        }
        if self.no_delay + self.min_delay + self.max_delay > self.retries {
            return Err(
                "numRetries must be greater than or equal to total of numMinDelayRetries, numNoDelayRetries \
                        and numMaxDelayRetries"
                    .into(),
            );
        }
        let total: f64 = self.waits().iter().map(Duration::as_secs_f64).sum();
        if total > TOTAL_SECONDS {
            return Err(format!("total policy retry time must be less than {TOTAL_SECONDS} seconds"));
        }
        Ok(())
    }

    fn shown(&self) -> Value {
        json!({
            "minDelayTarget": self.min,
            "maxDelayTarget": self.max,
            "numRetries": self.retries,
            "numMaxDelayRetries": self.max_delay,
            "numNoDelayRetries": self.no_delay,
            "numMinDelayRetries": self.min_delay,
            "backoffFunction": self.backoff.as_str(),
        })
    }
}

/// A policy, of a topic or of a subscription: what it says, and nothing of defaults.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct DeliveryPolicy {
    pub(super) retries: Option<Retries>,
    /// `headerContentType`.
    pub(super) content_type: Option<String>,
    /// `disableSubscriptionOverrides`, of a topic.
    sealed: bool,
}

/// Topics and subscriptions call the same things by different names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Topic,
    Subscription,
}

impl DeliveryPolicy {
    /// Reads the attribute `DeliveryPolicy`.
    pub(super) fn parse(text: &str, level: Level) -> Result<Self, String> {
        let Ok(Value::Object(whole)) = serde_json::from_str(text) else {
            return Err("failed to parse JSON.".into());
        };
        let (policy, names) = match level {
            Level::Subscription => (whole, ["healthyRetryPolicy", "throttlePolicy", "requestPolicy"]),
            Level::Topic => {
                known_members(&whole, &["http"])?;
                let Some(Value::Object(http)) = whole.get("http") else {
                    return Err("http must be a JSON object".into());
                };
                (http.clone(), ["defaultHealthyRetryPolicy", "defaultThrottlePolicy", "defaultRequestPolicy"])
            }
        };
        let [retries, throttle, request] = names;
        let flag = "disableSubscriptionOverrides";
        let sicklies = ["sicklyRetryPolicy", "defaultSicklyRetryPolicy"];
        // Clients send it as null beside the others.
        let shown: Map<_, _> = policy
            .into_iter()
            .filter(|(name, value)| !(sicklies.contains(&name.as_str()) && value.is_null()))
            .collect();
        let policy = shown;
        match level {
            Level::Topic => known_members(&policy, &[retries, throttle, request, flag])?,
            Level::Subscription => known_members(&policy, &[retries, throttle, request, "guaranteed"])?,
        }
        if policy.get("guaranteed").is_some_and(|value| *value != Value::Bool(false) && !value.is_null()) {
            return Err("guaranteed is not supported".into());
        }
        if throttles(policy.get(throttle))? {
            return Err(format!("{throttle}: lambent does not limit the rate of deliveries; leave it out"));
        }
        Ok(Self {
            retries: object(&policy, retries)?.map(Retries::read).transpose()?,
            content_type: content_type(object(&policy, request)?)?,
            sealed: policy.get(flag) == Some(&Value::Bool(true)),
        })
    }

    /// What counts for a subscription: its own policy, then its topic's, then AWS's defaults.
    pub(super) fn effective(topic: Option<&Self>, own: Option<&Self>) -> Self {
        let own = own.filter(|_| !topic.is_some_and(|topic| topic.sealed));
        let first = |part: fn(&Self) -> Option<Retries>| own.and_then(part).or_else(|| topic.and_then(part));
        let retries = first(|policy| policy.retries).unwrap_or_default();
        let content_type = [own, topic].into_iter().flatten().find_map(|policy| policy.content_type.clone());
        Self { retries: Some(retries), content_type, sealed: topic.is_some_and(|topic| topic.sealed) }
    }

    /// `EffectiveDeliveryPolicy`.
    pub(super) fn shown(&self, level: Level) -> String {
        let retries = self.retries.unwrap_or_default().shown();
        let content_type = self.content_type.as_deref().unwrap_or(CONTENT_TYPES[0]);
        let request = json!({"headerContentType": content_type});
        match level {
            Level::Topic => json!({"http": {
                "defaultHealthyRetryPolicy": retries,
                "disableSubscriptionOverrides": self.sealed,
                "defaultRequestPolicy": request,
            }}),
            Level::Subscription => json!({
                "healthyRetryPolicy": retries,
                "sicklyRetryPolicy": null,
                "throttlePolicy": null,
                "requestPolicy": request,
                "guaranteed": false,
            }),
        }
        .to_string()
    }
}

/// The values of `headerContentType`; the first is the default.
const CONTENT_TYPES: [&str; 13] = [
    "text/plain; charset=UTF-8",
    "text/plain",
    "application/json",
    "text/css",
    "text/csv",
    "text/html",
    "text/xml",
    "application/atom+xml",
    "application/octet-stream",
    "application/soap+xml",
    "application/x-www-form-urlencoded",
    "application/xhtml+xml",
    "application/xml",
];

fn content_type(request: Option<&Map<String, Value>>) -> Result<Option<String>, String> {
    let Some(request) = request else { return Ok(None) };
    known_members(request, &["headerContentType"])?;
    let Some(value) = request.get("headerContentType").filter(|value| !value.is_null()) else {
        return Ok(None);
    };
    let text = value.as_str().unwrap_or_default();
    // What matters is the type; parameters of it, like a character set, are sent along.
    let bare = text.split(';').next().unwrap_or_default().trim();
    match CONTENT_TYPES.contains(&bare) && text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        true => Ok(Some(text.to_owned())),
        false => Err(format!("headerContentType {value} is not supported")),
    }
}

/// Whether a throttle policy asks for anything.
fn throttles(policy: Option<&Value>) -> Result<bool, String> {
    match policy {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Object(policy)) => {
            known_members(policy, &["maxReceivesPerSecond"])?;
            Ok(policy.get("maxReceivesPerSecond").is_some_and(|value| !value.is_null()))
        }
        Some(_) => Err("throttle policy must be a JSON object".into()),
    }
}

fn object<'p>(policy: &'p Map<String, Value>, name: &str) -> Result<Option<&'p Map<String, Value>>, String> {
    match policy.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(object)) => Ok(Some(object)),
        Some(_) => Err(format!("{name} must be a JSON object")),
    }
}

fn known_members(object: &Map<String, Value>, known: &[&str]) -> Result<(), String> {
    match object.keys().find(|name| !known.contains(&name.as_str())) {
        Some(unknown) => Err(format!("Unrecognized field \"{unknown}\"")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(policy: &str) -> Result<Vec<u64>, String> {
        let policy = format!(r#"{{"healthyRetryPolicy": {policy}}}"#);
        let policy = DeliveryPolicy::parse(&policy, Level::Subscription)?;
        let effective = DeliveryPolicy::effective(None, Some(&policy));
        Ok(effective.retries.unwrap().waits().iter().map(|wait| wait.as_secs()).collect())
    }

    #[test]
    fn waits_go_through_four_phases() {
        for (policy, expected) in [
            ("{}", vec![20, 20, 20]),
            (r#"{"numRetries": 0}"#, vec![]),
            (r#"{"numRetries": 2, "numNoDelayRetries": 2}"#, vec![0, 0]),
            (
                r#"{"minDelayTarget": 1, "maxDelayTarget": 60, "numRetries": 9, "numNoDelayRetries": 1,
                    "numMinDelayRetries": 2, "numMaxDelayRetries": 3, "backoffFunction": "linear"}"#,
                vec![0, 1, 1, 1, 30, 60, 60, 60, 60],
            ),
            (
                r#"{"minDelayTarget": 1, "maxDelayTarget": 100, "numRetries": 3, "backoffFunction": "geometric"}"#,
                vec![1, 10, 100],
            ),
            (
                r#"{"minDelayTarget": 1, "maxDelayTarget": 16, "numRetries": 3, "backoffFunction": "exponential"}"#,
                vec![1, 2, 16],
            ),
            (
                r#"{"minDelayTarget": 1, "maxDelayTarget": 101, "numRetries": 3, "backoffFunction": "arithmetic"}"#,
                vec![1, 26, 101],
            ),
            (r#"{"maxDelayTarget": 5}"#, vec![5, 5, 5]),
        ] {
            assert_eq!(waits(policy).as_ref(), Ok(&expected), "{policy}");
        }
    }

    #[test]
    fn what_cannot_be_kept_to_is_refused() {
        for (policy, reason) in [
            (r#"{"numRetries": 101}"#, "numRetries must be less than or equal to 100"),
            (r#"{"minDelayTarget": 0}"#, "minDelayTarget must be greater"),
            (r#"{"minDelayTarget": 9, "maxDelayTarget": 8}"#, "minDelayTarget must be less"),
            (r#"{"numRetries": 1, "numNoDelayRetries": 2}"#, "numRetries must be greater"),
            (r#"{"backoffFunction": "square"}"#, "backoffFunction"),
            (r#"{"numRetries": 100, "minDelayTarget": 60}"#, "total policy retry time"),
            (r#"{"retries": 1}"#, "Unrecognized field"),
        ] {
            assert!(waits(policy).unwrap_err().contains(reason), "{policy}");
        }
        for (policy, reason) in [
            ("[]", "failed to parse"),
            (r#"{"throttlePolicy": {"maxReceivesPerSecond": 5}}"#, "does not limit the rate"),
            (r#"{"requestPolicy": {"headerContentType": "image/png"}}"#, "headerContentType"),
            (r#"{"requestPolicy": {"headerContentType": "text/plain\r\nx: y"}}"#, "headerContentType"),
        ] {
            let error = DeliveryPolicy::parse(policy, Level::Subscription).unwrap_err();
            assert!(error.contains(reason), "{policy}: {error}");
        }
    }

    #[test]
    fn a_topic_can_keep_subscriptions_from_having_their_own() {
        let topic = |sealed| {
            let text = format!(
                r#"{{"http": {{"defaultHealthyRetryPolicy": {{"numRetries": 7}}, "disableSubscriptionOverrides": {sealed}}}}}"#
            );
            DeliveryPolicy::parse(&text, Level::Topic).unwrap()
        };
        let own = r#"{"healthyRetryPolicy": {"numRetries": 1}, "requestPolicy": {"headerContentType": "text/csv"}}"#;
        let own = DeliveryPolicy::parse(own, Level::Subscription).unwrap();
        let count = |topic: Option<&DeliveryPolicy>, own: Option<&DeliveryPolicy>| {
            DeliveryPolicy::effective(topic, own).retries.unwrap().retries
        };
        assert_eq!(count(Some(&topic(false)), Some(&own)), 1);
        assert_eq!(count(Some(&topic(true)), Some(&own)), 7);
        assert_eq!(count(Some(&topic(false)), None), 7);
        assert_eq!(count(None, None), 3);
        let effective = DeliveryPolicy::effective(None, Some(&own));
        assert_eq!(effective.content_type.as_deref(), Some("text/csv"));
        let shown: Value = serde_json::from_str(&effective.shown(Level::Subscription)).unwrap();
        assert_eq!(shown["healthyRetryPolicy"]["numRetries"], 1);
    }
}
