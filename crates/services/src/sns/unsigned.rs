//! The two calls that need no signature (SNS API Reference, "ConfirmSubscription", "Unsubscribe"): the links in messages.

use bytes::Bytes;
use http::Response;
use lambent_wire::sns::{SERVICE, op, types as t};
use lambent_wire::{Empty, Error, encode};
use percent_encoding::percent_decode_str;

use super::Sns;

/// A link, by what opening it asks for.
#[derive(Debug, PartialEq, Eq)]
enum Link {
    Confirm { topic: String, token: String, guarded: bool },
    Unsubscribe { subscription: String },
}

impl Link {
    /// Reads the query of a link; `None` for one that is signed, and for any other.
    fn parse(query: &str) -> Option<Self> {
        let pairs: Vec<(String, String)> = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (decoded(name), decoded(value)))
            .collect();
        let value =
            |name: &str| pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        if value("X-Amz-Signature").is_some() || value("Signature").is_some() {
            return None;
        }
        match value("Action")?.as_str() {
            "ConfirmSubscription" => {
                // Only a signature makes a guard of this; without one it is refused below.
                let guarded = value("AuthenticateOnUnsubscribe")
                    .is_some_and(|value| value.eq_ignore_ascii_case("true"));
                Some(Self::Confirm { topic: value("TopicArn")?, token: value("Token")?, guarded })
            }
            "Unsubscribe" => Some(Self::Unsubscribe { subscription: value("SubscriptionArn")? }),
            _ => None,
        }
    }
}

/// For the project's own fuzzers.
#[cfg(any(test, fuzzing))]
pub(super) fn is_link(query: &str) -> bool {
    Link::parse(query).is_some()
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

impl Sns {
    /// Answers a request without a signature for `/`, if its query is that of a link in a message.
    pub async fn unsigned(&self, query: &str, request_id: &str) -> Option<Response<Bytes>> {
        let answered = match Link::parse(query)? {
            Link::Confirm { guarded: true, .. } => {
                Err(super::names::invalid("AuthenticateOnUnsubscribe", "it is taken with a signature alone"))
            }
            Link::Confirm { topic, token, .. } => {
                self.confirm(&topic, &token, None, false).await.map(|arn| {
                    let answer = t::ConfirmSubscriptionResponse { subscription_arn: Some(arn.to_string()) };
                    encode::<op::ConfirmSubscription>(&answer, request_id)
                })
            }
            Link::Unsubscribe { subscription } => {
                let ended = self.end_unsigned(&subscription).await;
                ended.map(|()| encode::<op::Unsubscribe>(&Empty {}, request_id))
            }
        };
        Some(answered.unwrap_or_else(|error: Error| SERVICE.error_response(&error, request_id)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_known_and_signed_calls_are_none() {
        let arn = "arn%3Aaws%3Asns%3Aus-east-1%3A000000000000%3At";
        let confirm = format!("Action=ConfirmSubscription&TopicArn={arn}&Token=ab");
        assert_eq!(
            Link::parse(&confirm),
            Some(Link::Confirm {
                topic: "arn:aws:sns:us-east-1:000000000000:t".into(),
                token: "ab".into(),
                guarded: false
            })
        );
        let end = format!("Action=Unsubscribe&SubscriptionArn={arn}%3Aid");
        let subscription = "arn:aws:sns:us-east-1:000000000000:t:id".into();
        assert_eq!(Link::parse(&end), Some(Link::Unsubscribe { subscription }));
        for other in [
            format!("{end}&X-Amz-Signature=0"),
            "Action=Publish".into(),
            "Action=Unsubscribe".into(),
            String::new(),
        ] {
            assert_eq!(Link::parse(&other), None, "{other}");
        }
    }
}
