//! How asynchronous invocations of a function, a version or an alias are treated (API Reference,
//! `PutFunctionEventInvokeConfig`).

use lambent_model::{FunctionArn, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Refusal;

/// The configuration of one qualifier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventInvoke {
    /// Attempts after the first, 0 to 2.
    pub retries: Option<u8>,
    /// How old an event may become, in seconds, 60 to 21,600.
    pub event_age_s: Option<u32>,
    /// Where the records of successes go.
    pub on_success: Option<String>,
    /// Where the records of failures go.
    pub on_failure: Option<String>,
    /// When it was last set.
    pub modified: Timestamp,
}

/// What a request sets; `None` keeps what is, an empty destination ends it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventInvokeChange {
    /// See [`EventInvoke::retries`].
    pub retries: Option<u8>,
    /// See [`EventInvoke::event_age_s`].
    pub event_age_s: Option<u32>,
    /// See [`EventInvoke::on_success`].
    pub on_success: Option<String>,
    /// See [`EventInvoke::on_failure`].
    pub on_failure: Option<String>,
}

impl EventInvokeChange {
    /// Applies the change to what is there for `arn`.
    ///
    /// # Errors
    /// When it sets nothing, or a destination that cannot be one.
    pub fn apply(
        self,
        current: Option<&EventInvoke>,
        arn: &FunctionArn,
        at: Timestamp,
    ) -> Result<EventInvoke, Refusal> {
        if self == Self::default() {
            return Err(Refusal::InvalidParameter(
                "You must specify at least one of MaximumRetryAttempts, MaximumEventAgeInSeconds and \
                 DestinationConfig."
                    .into(),
            ));
        }
        for destination in [&self.on_success, &self.on_failure].into_iter().flatten() {
            check_destination(destination, arn)?;
        }
        if self.on_success.as_deref().is_some_and(|success| service(success) == Some("s3")) {
            return Err(Refusal::InvalidParameter(
                "S3 buckets are supported only for OnFailure destinations.".into(),
            ));
        }
        let destination = |given: Option<String>, current: Option<&String>| match given {
            Some(given) => (!given.is_empty()).then_some(given),
            None => current.cloned(),
        };
        Ok(EventInvoke {
            retries: self.retries.or(current.and_then(|current| current.retries)),
            event_age_s: self.event_age_s.or(current.and_then(|current| current.event_age_s)),
            on_success: destination(self.on_success, current.and_then(|c| c.on_success.as_ref())),
            on_failure: destination(self.on_failure, current.and_then(|c| c.on_failure.as_ref())),
            modified: at,
        })
    }
}

fn service(destination: &str) -> Option<&str> {
    destination.split(':').nth(2)
}

fn check_destination(destination: &str, arn: &FunctionArn) -> Result<(), Refusal> {
    if destination.is_empty() {
        return Ok(());
    }
    let own = arn.to_string();
    if destination == own || destination.strip_prefix(&own).is_some_and(|rest| rest.starts_with(':')) {
        return Err(Refusal::InvalidParameter(
            "You can't specify the function as a destination for itself.".into(),
        ));
    }
    match service(destination) {
        Some("sqs" | "sns" | "lambda" | "events" | "s3") => Ok(()),
        _ => Err(Refusal::InvalidParameter(format!("The destination ARN {destination} is invalid."))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arn() -> FunctionArn {
        let scope = lambent_model::Scope {
            account: "000000000000".parse().unwrap(),
            region: "us-east-1".parse().unwrap(),
        };
        FunctionArn { scope, name: "f".into() }
    }

    const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:q";

    #[test]
    fn a_change_keeps_what_it_does_not_name() {
        let at = Timestamp::from_millis(1);
        let first = EventInvokeChange {
            retries: Some(1),
            on_failure: Some(QUEUE.into()),
            ..EventInvokeChange::default()
        };
        let first = first.apply(None, &arn(), at).unwrap();
        let change = EventInvokeChange {
            event_age_s: Some(60),
            on_failure: Some(String::new()),
            ..EventInvokeChange::default()
        };
        let second = change.apply(Some(&first), &arn(), at).unwrap();
        assert_eq!((second.retries, second.event_age_s, second.on_failure), (Some(1), Some(60), None));
        assert!(EventInvokeChange::default().apply(Some(&first), &arn(), at).is_err());
    }

    #[test]
    fn a_destination_is_another_resource() {
        let set = |on_success: Option<&str>, on_failure: Option<&str>| {
            let (on_success, on_failure) = (on_success.map(Into::into), on_failure.map(Into::into));
            let change = EventInvokeChange { on_success, on_failure, ..EventInvokeChange::default() };
            change.apply(None, &arn(), Timestamp::from_millis(1)).is_ok()
        };
        let own = arn().to_string();
        for (destination, allowed) in [
            (QUEUE.to_owned(), true),
            (format!("{own}-other"), true),
            (own.clone(), false),
            (format!("{own}:live"), false),
            ("arn:aws:iam::000000000000:role/r".into(), false),
            ("kafka://topic".into(), false),
        ] {
            assert_eq!(set(Some(&destination), None), allowed, "{destination}");
            assert_eq!(set(None, Some(&destination)), allowed, "{destination}");
        }
        assert!(!set(Some("arn:aws:s3:::b"), None) && set(None, Some("arn:aws:s3:::b")));
    }
}
