//! Names, addresses and ARNs of queues (Amazon SQS Developer Guide, "Queue and message identifiers").

use lambent_model::{AccountId, Scope};
use lambent_wire::sqs::error;
use lambent_wire::{Error, common};

/// Which queue: its account and region, and its name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct QueueName {
    pub(crate) scope: Scope,
    pub(crate) name: String,
}

/// What the names of FIFO queues end in.
const FIFO: &str = ".fifo";
/// "A queue name can have up to 80 characters."
const NAME: usize = 80;

impl QueueName {
    /// The queue that `QueueUrl` names: the last two parts of its path are the account and the name, and the region is the
    /// one that the caller calls.
    pub(crate) fn of_url(url: &str, scope: &Scope) -> Result<Self, Error> {
        let invalid = || error::invalid_address(format!("The address {url} is not valid for this endpoint."));
        let path = match url.split_once("://") {
            Some((_, rest)) => rest.split_once('/').map(|(_, path)| path).ok_or_else(invalid)?,
            None => url.strip_prefix('/').ok_or_else(invalid)?,
        };
        let mut parts = path.trim_end_matches('/').rsplit('/');
        let (Some(name), Some(account)) = (parts.next(), parts.next()) else { return Err(invalid()) };
        let account: AccountId = account.parse().map_err(|_| invalid())?;
        Ok(Self { scope: Scope { account, region: scope.region.clone() }, name: name.to_owned() })
    }

    /// The queue with this ARN, if it is one's.
    pub(crate) fn of_arn(arn: &str) -> Option<Self> {
        let parts: Vec<&str> = arn.split(':').collect();
        let ["arn", _, "sqs", region, account, name] = parts[..] else { return None };
        if name.is_empty() {
            return None;
        }
        let scope = Scope { account: account.parse().ok()?, region: region.parse().ok()? };
        Some(Self { scope, name: name.to_owned() })
    }

    pub(crate) fn arn(&self) -> String {
        format!("arn:aws:sqs:{}:{}:{}", self.scope.region, self.scope.account, self.name)
    }

    pub(crate) fn url(&self, base_url: &str) -> String {
        format!("{base_url}/{}/{}", self.scope.account, self.name)
    }

    /// Whether the name is that of a FIFO queue.
    pub(crate) fn is_fifo(&self) -> bool {
        self.name.ends_with(FIFO)
    }
}

/// Checks the name of a queue that is to be made.
pub(crate) fn check(name: &str, fifo: bool) -> Result<(), Error> {
    let stem = if fifo { name.strip_suffix(FIFO) } else { Some(name) };
    let fits = |stem: &str| {
        let plain = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'_';
        !stem.is_empty() && stem.bytes().all(plain)
    };
    if name.len() <= NAME && stem.is_some_and(fits) {
        return Ok(());
    }
    Err(invalid_parameter(if fifo {
        "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo \
         suffix and be 1 to 80 in length"
    } else {
        "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"
    }))
}

/// `InvalidParameterValue`.
pub(crate) fn invalid_parameter(message: impl Into<String>) -> Error {
    common::invalid_parameter_value(message)
}

/// The same for one value, in the words that SQS has for most of them.
pub(crate) fn invalid_value(value: &str, parameter: &str, reason: &str) -> Error {
    invalid_parameter(format!("Value {value} for parameter {parameter} is invalid. Reason: {reason}"))
}

/// `MissingParameter`.
pub(crate) fn missing(parameter: &str) -> Error {
    common::missing_parameter(format!("The request must contain the parameter {parameter}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_name_a_queue_by_their_path() {
        let scope = Scope { account: AccountId::default_account(), region: "eu-west-1".parse().unwrap() };
        for url in [
            "http://localhost:4566/123456789012/q",
            "https://sqs.eu-west-1.amazonaws.com/123456789012/q",
            "http://eu-west-1.queue.localhost:4566/123456789012/q/",
            "/123456789012/q",
        ] {
            let name = QueueName::of_url(url, &scope).unwrap();
            assert_eq!(name.arn(), "arn:aws:sqs:eu-west-1:123456789012:q", "{url}");
            assert_eq!(QueueName::of_arn(&name.arn()), Some(name));
        }
        for url in ["q", "", "http://localhost", "http://localhost/q", "http://localhost/12/q"] {
            assert_eq!(QueueName::of_url(url, &scope).unwrap_err().code, "InvalidAddress", "{url}");
        }
        for arn in ["arn:aws:sns:eu-west-1:123456789012:q", "arn:aws:sqs:eu-west-1:1:q", "q", ""] {
            assert_eq!(QueueName::of_arn(arn), None, "{arn}");
        }
    }

    #[test]
    fn names_have_the_characters_that_are_allowed() {
        for (name, fifo, fits) in [
            ("a_B-1", false, true),
            ("a.fifo", false, false),
            ("a.fifo", true, true),
            ("a", true, false),
            (".fifo", true, false),
            ("", false, false),
            ("a b", false, false),
        ] {
            assert_eq!(check(name, fifo).is_ok(), fits, "{name} {fifo}");
        }
        assert!(check(&"a".repeat(80), false).is_ok() && check(&"a".repeat(81), false).is_err());
    }
}
