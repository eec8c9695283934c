//! Names and ARNs of topics and subscriptions (Amazon SNS API Reference, "CreateTopic", "Subscribe").

use std::fmt;

use lambent_model::Scope;
use lambent_wire::Error;
use lambent_wire::sns::error;

/// What the names of FIFO topics end with.
pub(super) const FIFO: &str = ".fifo";
/// "Topic names … must be between 1 and 256 characters long."
const NAME_LENGTH: usize = 256;

/// A topic by its ARN.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct TopicArn {
    pub(super) scope: Scope,
    pub(super) name: String,
}

/// A subscription by its ARN.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct SubscriptionArn {
    pub(super) topic: TopicArn,
    pub(super) id: String,
}

impl fmt::Display for TopicArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Scope { account, region } = &self.scope;
        write!(f, "arn:aws:sns:{region}:{account}:{}", self.name)
    }
}

impl fmt::Display for SubscriptionArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.topic, self.id)
    }
}

impl TopicArn {
    /// Reads the ARN that a parameter of this name holds.
    pub(super) fn parse(parameter: &str, text: &str) -> Result<Self, Error> {
        let invalid = || invalid(parameter, "");
        let elements = text.split(':').count();
        if elements < 6 {
            let reason = format!("An ARN must have at least 6 elements, not {elements}");
            return Err(self::invalid(parameter, &reason));
        }
        let parts: Vec<&str> = text.split(':').collect();
        let ["arn", partition, "sns", region, account, name] = parts[..] else { return Err(invalid()) };
        if !partition.starts_with("aws") || !is_name(name) {
            return Err(invalid());
        }
        let scope = Scope {
            account: account.parse().map_err(|_| invalid())?,
            region: region.parse().map_err(|_| invalid())?,
        };
        Ok(Self { scope, name: name.to_owned() })
    }

    /// Whether it is a FIFO topic's.
    pub(super) fn is_fifo(&self) -> bool {
        self.name.ends_with(FIFO)
    }
}

impl SubscriptionArn {
    /// Reads the parameter `SubscriptionArn`.
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        const PARAMETER: &str = "SubscriptionArn";
        let elements = text.split(':').count();
        if elements < 6 {
            let reason = format!("An ARN must have at least 6 elements, not {elements}");
            return Err(invalid(PARAMETER, &reason));
        }
        let (topic, id) = text.rsplit_once(':').unwrap_or_default();
        if elements != 7 {
            return Err(invalid(PARAMETER, ""));
        }
        let topic = TopicArn::parse(PARAMETER, topic)?;
        Ok(Self { topic, id: id.to_ascii_lowercase() })
    }
}

/// `Invalid parameter: NAME Reason: …`, in AWS's words.
pub(super) fn invalid(parameter: &str, reason: &str) -> Error {
    error::invalid_parameter_exception(match reason {
        "" => format!("Invalid parameter: {parameter}"),
        reason => format!("Invalid parameter: {parameter} Reason: {reason}"),
    })
}

fn is_name(name: &str) -> bool {
    let stem = name.strip_suffix(FIFO).unwrap_or(name);
    !stem.is_empty()
        && name.len() <= NAME_LENGTH
        && stem.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

/// Checks the name of a topic that is to be made.
pub(super) fn check_name(name: &str, fifo: bool) -> Result<(), Error> {
    if is_name(name) && name.ends_with(FIFO) == fifo {
        return Ok(());
    }
    Err(match fifo {
        true => error::invalid_parameter_exception(
            "Invalid parameter: Fifo Topic names must end with .fifo and must be made up of only uppercase and \
             lowercase ASCII letters, numbers, underscores, and hyphens, and must be between 1 and 256 characters long.",
        ),
        false => error::invalid_parameter_exception("Invalid parameter: Topic Name"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_are_read_as_they_are_written() {
        let topic = "arn:aws:sns:eu-west-1:000000000000:orders.fifo";
        assert_eq!(TopicArn::parse("TopicArn", topic).unwrap().to_string(), topic);
        let subscription = format!("{topic}:0b1c");
        assert_eq!(SubscriptionArn::parse(&subscription).unwrap().to_string(), subscription);
        for (wrong, reason) in [
            ("orders", "TopicArn Reason: An ARN must have at least 6 elements, not 1"),
            ("arn:aws:sqs:eu-west-1:000000000000:orders", "Invalid parameter: TopicArn"),
            ("arn:aws:sns:eu-west-1:000000000000:or ders", "Invalid parameter: TopicArn"),
            ("arn:aws:sns:eu-west-1:000000000000:orders:x", "Invalid parameter: TopicArn"),
        ] {
            let error = TopicArn::parse("TopicArn", wrong).unwrap_err();
            assert!(error.message.ends_with(reason), "{wrong}: {error}");
        }
        assert!(SubscriptionArn::parse(topic).is_err());
        assert!(SubscriptionArn::parse("PendingConfirmation").is_err());
    }

    #[test]
    fn a_name_says_which_kind_of_topic_it_is() {
        for (name, fifo, ok) in [
            ("a-b_C9", false, true),
            ("a.fifo", true, true),
            ("a.fifo", false, false),
            ("a", true, false),
            (".fifo", true, false),
            ("a b", false, false),
            ("", false, false),
        ] {
            assert_eq!(check_name(name, fifo).is_ok(), ok, "{name}");
        }
        assert!(check_name(&"n".repeat(256), false).is_ok() && check_name(&"n".repeat(257), false).is_err());
    }
}
