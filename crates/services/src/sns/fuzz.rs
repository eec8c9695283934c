//! The target behind [`crate::fuzz::topic`].

use lambent_patterns::Event;

use super::delivery_policy::{DeliveryPolicy, Level};
use super::endpoint::{Target, shown};
use super::message::Texts;
use super::names::{SubscriptionArn, TopicArn};
use super::{attributes, filter, policy, unsigned};

/// Whatever is given as an attribute, an endpoint or a link is refused, or keeps to its bounds. The first line is that, what
/// follows it a message.
pub(crate) fn topic(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (given, message) = text.split_once('\n').unwrap_or((text, ""));
    for level in [Level::Topic, Level::Subscription] {
        if let Ok(policy) = DeliveryPolicy::parse(given, level) {
            let waits = DeliveryPolicy::effective(None, Some(&policy)).retries.unwrap_or_default().waits();
            let total: f64 = waits.iter().map(std::time::Duration::as_secs_f64).sum();
            assert!(waits.len() <= 100 && total <= 3_601.0, "{} waits of {total} s", waits.len());
        }
    }
    for scope in [filter::Scope::Attributes, filter::Scope::Body] {
        if let (Ok(pattern), Ok(event)) = (filter::parse(given, scope), Event::parse(message)) {
            pattern.matches(&event);
        }
    }
    if let Some(target) = Target::parse(given) {
        let authority = target.url.authority().map_or("", |authority| authority.as_str());
        assert!(!authority.contains('@'), "{given} connects to {authority}");
        let _hidden = shown(given);
    }
    let arn = TopicArn::parse("TopicArn", given);
    if let Ok(topic) = &arn {
        assert!(TopicArn::parse("TopicArn", &topic.to_string()).as_ref().is_ok_and(|again| again == topic));
        let _queue = attributes::dead_letter_queue(topic, message);
    }
    let (_subscription, _policy) = (SubscriptionArn::parse(given), policy::check(given));
    let (_link, _texts) = (unsigned::is_link(given), Texts::parse(given, true));
}

/// Inputs to begin with.
pub(crate) fn topics() -> Vec<Vec<u8>> {
    [
        r#"{"healthyRetryPolicy":{"minDelayTarget":1,"maxDelayTarget":60,"numRetries":50,"backoffFunction":"exponential"}}"#,
        r#"{"http":{"defaultHealthyRetryPolicy":{"numRetries":3},"disableSubscriptionOverrides":true}}"#,
        "{\"a\":[{\"anything-but\":{\"prefix\":\"x\"}}],\"$or\":[{\"b\":[1]},{\"c\":[{\"exists\":false}]}]}\n{\"a\":\"y\",\"b\":1}",
        "https://user:p%40ss@example.com:8443/in?x=1",
        "arn:aws:sns:us-east-1:000000000000:t.fifo\n{\"deadLetterTargetArn\":\"arn:aws:sqs:us-east-1:000000000000:d\"}",
        "Action=ConfirmSubscription&TopicArn=arn%3Aaws%3Asns%3Aus-east-1%3A000000000000%3At&Token=ab",
        r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"sns:Publish","Resource":"*"}}"#,
        r#"{"default":"x","sqs":"y","lambda":{}}"#,
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}
