//! Where calls of other AWS services go: endpoints by service or by resource, and what they are signed with.
//!
//! ```toml
//! [endpoints]
//! sns = "http://127.0.0.1:5000"
//! sqs = { url = "https://sqs.{region}.amazonaws.com", credentials = "environment" }
//! "arn:aws:sqs:eu-west-1:123456789012:orders" = { url = "…", credentials = "profile orders" }
//! ```

mod credentials;

use std::collections::BTreeMap;

use lambent_identity::Credentials;
use lambent_model::{AccountId, Scope};
use lambent_wire::untyped::SERVICES;
use serde::Deserialize;

pub(crate) use credentials::{Keys, KeysError};

/// An endpoint as the file has it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(crate) enum Given {
    /// The address alone.
    Url(String),
    /// With what to sign.
    Table(Table),
}

/// See [`Given::Table`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Table {
    url: String,
    credentials: String,
}

/// What calls to an endpoint are signed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// The account's number as the access key, and a secret that everybody knows: what stand-ins for AWS take.
    Account,
    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN` of the server's environment.
    Environment,
    /// A profile of the shared credentials file.
    Profile(String),
}

/// An address with its credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// With `{region}` and `{account}` where those of the call go.
    url: String,
    pub(crate) credentials: Source,
}

/// The endpoints that are configured.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Endpoints(BTreeMap<String, Endpoint>);

impl Endpoints {
    /// Puts the file's table and `--aws-endpoint` together, which wins. Faults are added to `faults`.
    pub(crate) fn resolve(file: BTreeMap<String, Given>, flags: &[String], faults: &mut Vec<String>) -> Self {
        let mut all = BTreeMap::new();
        let mut add = |name: String, endpoint: Result<Endpoint, String>| match endpoint {
            Ok(endpoint) => drop(all.insert(name, endpoint)),
            Err(fault) => faults.push(format!("the endpoint of {name}: {fault}")),
        };
        for (name, given) in file {
            let endpoint = check_name(&name).and_then(|()| match given {
                Given::Url(url) => Endpoint::new(url, None),
                Given::Table(Table { url, credentials }) => Endpoint::new(url, Some(&credentials)),
            });
            add(name, endpoint);
        }
        for flag in flags {
            match flag.split_once('=') {
                Some((name, url)) => {
                    add(name.to_owned(), check_name(name).and_then(|()| Endpoint::new(url.to_owned(), None)));
                }
                None => add(flag.clone(), Err("it is not SERVICE=URL".to_owned())),
            }
        }
        Self(all)
    }

    /// The endpoint for calls of a service about a resource: the resource's own before the service's.
    pub(crate) fn find(&self, service: &str, resource: Option<&str>) -> Option<&Endpoint> {
        resource.and_then(|arn| self.0.get(arn)).or_else(|| self.0.get(service))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Endpoint> {
        self.0.values()
    }
}

fn check_name(name: &str) -> Result<(), String> {
    let service = if name.starts_with("arn:") { name.split(':').nth(2).unwrap_or_default() } else { name };
    if SERVICES.contains(&service) {
        Ok(())
    } else {
        Err(format!("this version calls {} and no other service", SERVICES.join(", ")))
    }
}

impl Endpoint {
    fn new(url: String, credentials: Option<&str>) -> Result<Self, String> {
        let sample = filled(&url, "us-east-1", "000000000000");
        let uri: http::Uri = sample.parse().map_err(|error| format!("{url:?} is no address: {error}"))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.query().is_some() {
            return Err(format!("{url:?} is no address such as https://sqs.{{region}}.amazonaws.com"));
        }
        let is_aws = uri.host().is_some_and(|host| host.contains(".amazonaws."));
        let credentials = match credentials {
            Some("environment") => Source::Environment,
            Some(text) => match text.strip_prefix("profile ") {
                Some(name) if !name.trim().is_empty() => Source::Profile(name.trim().to_owned()),
                _ => {
                    return Err("credentials are neither \"environment\" nor \"profile NAME\"".to_owned());
                }
            },
            None if is_aws => {
                return Err("AWS needs credentials: give { url = …, credentials = \"environment\" } or \
                            \"profile NAME\" in lambent.toml"
                    .to_owned());
            }
            None => Source::Account,
        };
        Ok(Self { url: url.trim_end_matches('/').to_owned(), credentials })
    }

    /// The address for calls that act in this account and region.
    pub(crate) fn url(&self, scope: &Scope) -> String {
        filled(&self.url, scope.region.as_str(), scope.account.as_str())
    }

    pub(crate) fn is_secure(&self) -> bool {
        self.url.starts_with("https://")
    }
}

fn filled(url: &str, region: &str, account: &str) -> String {
    url.replace("{region}", region).replace("{account}", account)
}

/// What a stand-in for AWS takes from a caller of this account.
fn of_account(account: &AccountId) -> Credentials {
    Credentials { access_key: account.to_string(), secret: "test".to_owned(), session_token: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(file: &str, flags: &[&str]) -> (Endpoints, Vec<String>) {
        let mut faults = Vec::new();
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let endpoints = Endpoints::resolve(toml::from_str(file).unwrap(), &flags, &mut faults);
        (endpoints, faults)
    }

    #[test]
    fn a_resource_has_its_own_endpoint_before_its_service() {
        let queue = "arn:aws:sqs:eu-west-1:123456789012:q";
        let file = format!(
            "sqs = \"http://127.0.0.1:1/\"\nsns = \"http://127.0.0.1:2\"\n\
             \"{queue}\" = {{ url = \"https://sqs.{{region}}.amazonaws.com\", credentials = \"profile p\" }}"
        );
        let (endpoints, faults) = resolve(&file, &["sns=http://h/{account}"]);
        assert_eq!(faults, [""; 0]);
        let scope = Scope { account: "123456789012".parse().unwrap(), region: "eu-west-1".parse().unwrap() };
        let url = |service, resource| endpoints.find(service, resource).map(|found| found.url(&scope));
        assert_eq!(url("sqs", Some(queue)).unwrap(), "https://sqs.eu-west-1.amazonaws.com");
        assert_eq!(url("sqs", None).unwrap(), "http://127.0.0.1:1");
        assert_eq!(url("sns", Some("arn:aws:sns:::t")).unwrap(), "http://h/123456789012");
        assert_eq!(url("events", None), None);
        assert_eq!(endpoints.find("sqs", Some(queue)).unwrap().credentials, Source::Profile("p".into()));
        assert_eq!(endpoints.find("sqs", None).unwrap().credentials, Source::Account);
    }

    #[test]
    fn what_cannot_work_is_said_at_the_start() {
        for (file, flags, expected) in [
            ("", &["sqs"][..], "SERVICE=URL"),
            ("", &["iam=http://h"][..], "no other service"),
            ("sqs = \"127.0.0.1:1\"", &[][..], "no address"),
            ("sqs = \"ftp://h\"", &[][..], "no address"),
            ("sqs = \"https://sqs.eu-west-1.amazonaws.com\"", &[][..], "AWS needs credentials"),
            ("sqs = { url = \"http://h\", credentials = \"mine\" }", &[][..], "neither"),
        ] {
            let (_, faults) = resolve(file, flags);
            assert!(faults.len() == 1 && faults[0].contains(expected), "{file} {flags:?}: {faults:?}");
        }
    }
}
