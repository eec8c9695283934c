//! Whom a subscription is for: protocols, and what an endpoint has to look like (SNS API Reference, "Subscribe"). Pure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Uri;
use lambent_model::{AccountId, Arn};
use lambent_wire::Error;
use lambent_wire::sns::error;
use percent_encoding::percent_decode_str;

use super::names::{TopicArn, invalid};
use super::record::Protocol;

/// The length of a URL.
const URL: usize = 2_048;

/// Whether somebody at the endpoint has to say that it wants messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Consent {
    /// Who subscribes is of the endpoint's account.
    Given,
    /// Nobody knows whose it is.
    Asked,
}

/// The protocol of this name.
pub(super) fn protocol(name: &str) -> Result<Protocol, Error> {
    match name {
        "lambda" => Ok(Protocol::Lambda),
        "sqs" => Ok(Protocol::Sqs),
        "http" => Ok(Protocol::Http),
        "https" => Ok(Protocol::Https),
        "email" | "email-json" | "sms" | "application" | "firehose" => Err(invalid(
            "Protocol",
            &format!("lambent delivers to lambda, sqs, http and https, and does not offer {name}"),
        )),
        unknown => Err(error::invalid_parameter_exception(format!(
            "Invalid parameter: Amazon SNS does not support this protocol string: {unknown}"
        ))),
    }
}

/// Checks the endpoint of a subscription that somebody of `caller` asks for.
pub(super) fn check(
    topic: &TopicArn,
    protocol: Protocol,
    endpoint: &str,
    caller: &AccountId,
) -> Result<Consent, Error> {
    if topic.is_fifo() && protocol != Protocol::Sqs {
        let name = protocol.as_str();
        return Err(error::invalid_parameter_exception(format!(
            "Invalid parameter: Invalid protocol type: {name}"
        )));
    }
    match protocol {
        Protocol::Http | Protocol::Https => check_url(protocol, endpoint).map(|()| Consent::Asked),
        Protocol::Sqs => {
            let (account, name) = named(endpoint, "sqs").ok_or_else(|| bare("SQS endpoint ARN"))?;
            if name.ends_with(".fifo") && !topic.is_fifo() {
                return Err(error::invalid_parameter_exception(
                    "Invalid parameter: Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to \
                     standard SNS topics",
                ));
            }
            Ok(if account == caller.as_str() { Consent::Given } else { Consent::Asked })
        }
        Protocol::Lambda => {
            let (account, name) = named(endpoint, "lambda").ok_or_else(|| bare("Lambda endpoint ARN"))?;
            if !name.starts_with("function:") || name.matches(':').count() > 2 {
                return Err(bare("Lambda endpoint ARN"));
            }
            match account == caller.as_str() {
                true => Ok(Consent::Given),
                false => Err(invalid("Endpoint", "a function is subscribed by its own account")),
            }
        }
    }
}

fn bare(what: &str) -> Error {
    error::invalid_parameter_exception(format!("Invalid parameter: {what}"))
}

/// Account and name of an ARN of this service.
fn named<'a>(arn: &'a str, service: &str) -> Option<(&'a str, &'a str)> {
    let arn = Arn::parse(arn).filter(|arn| arn.service == service)?;
    let fits = !arn.region.is_empty() && arn.account.parse::<AccountId>().is_ok();
    fits.then_some((arn.account, arn.resource))
}

fn check_url(protocol: Protocol, endpoint: &str) -> Result<(), Error> {
    let mismatch = || bare("Endpoint must match the specified protocol");
    if endpoint.len() > URL {
        return Err(invalid("Endpoint", &format!("it is longer than {URL} characters")));
    }
    let target = Target::parse(endpoint).ok_or_else(mismatch)?;
    match target.url.scheme_str() == Some(protocol.as_str()) {
        true => Ok(()),
        false => Err(mismatch()),
    }
}

/// An HTTP endpoint: where to connect, and what it asks of whoever does.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// Without user and password.
    pub(super) url: Uri,
    /// The value of `Authorization`, where the URL has a user.
    pub(super) authorization: Option<String>,
}

impl Target {
    pub(super) fn parse(endpoint: &str) -> Option<Self> {
        let url: Uri = endpoint.parse().ok()?;
        let authority = url.authority()?.as_str();
        let (user, host) =
            authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
        if url.host().is_none_or(str::is_empty) {
            return None;
        }
        let authorization = user.map(|user| {
            let (name, password) = user.split_once(':').unwrap_or((user, ""));
            let plain = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
            format!("Basic {}", STANDARD.encode(format!("{}:{}", plain(name), plain(password))))
        });
        let path = url.path_and_query().map_or("/", |path| path.as_str());
        let bare =
            Uri::builder().scheme(url.scheme_str()?).authority(host).path_and_query(path).build().ok()?;
        Some(Self { url: bare, authorization })
    }
}

/// An endpoint as lists show it: without the password that its URL may hold.
pub(super) fn shown(endpoint: &str) -> String {
    let hidden = || {
        let (scheme, rest) = endpoint.split_once("://")?;
        let (user, host) = rest.split('/').next()?.rsplit_once('@')?;
        let (name, _) = user.split_once(':')?;
        let path = &rest[user.len() + 1 + host.len()..];
        Some(format!("{scheme}://{name}:****@{host}{path}"))
    };
    hidden().unwrap_or_else(|| endpoint.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_it(topic: &str, protocol: &str, endpoint: &str) -> Result<Consent, String> {
        let topic =
            TopicArn::parse("TopicArn", &format!("arn:aws:sns:us-east-1:000000000000:{topic}")).unwrap();
        let protocol = protocol_of(protocol)?;
        check(&topic, protocol, endpoint, &AccountId::default_account()).map_err(|error| error.message)
    }

    fn protocol_of(name: &str) -> Result<Protocol, String> {
        protocol(name).map_err(|error| error.message)
    }

    #[test]
    fn an_endpoint_fits_its_protocol_and_its_topic() {
        let arn = |service: &str, rest: &str| format!("arn:aws:{service}:us-east-1:{rest}");
        for (topic, protocol, endpoint, expected) in [
            ("t", "sqs", arn("sqs", "000000000000:q"), Ok(Consent::Given)),
            ("t", "sqs", arn("sqs", "111111111111:q"), Ok(Consent::Asked)),
            ("t", "lambda", arn("lambda", "000000000000:function:f:live"), Ok(Consent::Given)),
            ("t.fifo", "sqs", arn("sqs", "000000000000:q.fifo"), Ok(Consent::Given)),
            ("t.fifo", "sqs", arn("sqs", "000000000000:q"), Ok(Consent::Given)),
            ("t", "http", "http://localhost:8080/a?b=c".into(), Ok(Consent::Asked)),
            ("t", "https", "https://example.com".into(), Ok(Consent::Asked)),
            ("t", "https", "http://example.com".into(), Err("Endpoint must match the specified protocol")),
            ("t", "http", "localhost".into(), Err("Endpoint must match the specified protocol")),
            ("t", "http", "http://".into(), Err("Endpoint must match the specified protocol")),
            ("t", "sqs", "http://localhost/q".into(), Err("SQS endpoint ARN")),
            ("t", "lambda", arn("lambda", "000000000000:layer:f"), Err("Lambda endpoint ARN")),
            ("t", "lambda", arn("lambda", "111111111111:function:f"), Err("by its own account")),
            ("t", "sqs", arn("sqs", "000000000000:q.fifo"), Err("FIFO SQS Queues can not be subscribed")),
            (
                "t.fifo",
                "lambda",
                arn("lambda", "000000000000:function:f"),
                Err("Invalid protocol type: lambda"),
            ),
            ("t", "email", "a@example.com".into(), Err("does not offer email")),
            ("t", "pigeon", "roof".into(), Err("does not support this protocol string: pigeon")),
        ] {
            match (check_it(topic, protocol, &endpoint), expected) {
                (Ok(consent), Ok(expected)) => assert_eq!(consent, expected, "{endpoint}"),
                (Err(error), Err(expected)) => assert!(error.contains(expected), "{endpoint}: {error}"),
                (found, _) => panic!("{topic} {protocol} {endpoint}: {found:?}"),
            }
        }
    }

    #[test]
    fn a_url_may_hold_a_user_who_is_sent_and_not_shown() {
        let target = Target::parse("https://me:p%40ss@example.com:8443/in?x=1").unwrap();
        assert_eq!(target.url.to_string(), "https://example.com:8443/in?x=1");
        assert_eq!(target.authorization.as_deref(), Some("Basic bWU6cEBzcw=="));
        assert_eq!(
            shown("https://me:p%40ss@example.com:8443/in?x=1"),
            "https://me:****@example.com:8443/in?x=1"
        );
        assert_eq!(shown("http://example.com/a@b:c"), "http://example.com/a@b:c");
        assert_eq!(Target::parse("http://example.com").unwrap().authorization, None);
    }
}
