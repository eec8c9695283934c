//! Where the server is and who calls it: flags over environment over defaults.

use std::fmt;

use lambent_identity::Credentials;
use lambent_model::{AccountId, Region};

use crate::GlobalArgs;

/// The port and address that users of local AWS endpoints expect.
const DEFAULT_HOST: &str = "127.0.0.1";
const DEFAULT_PORT: u16 = 4566;

/// Which server to talk to, and as whom.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The server.
    pub endpoint: Endpoint,
    /// The region that calls act in.
    pub region: Region,
    /// What calls are signed with.
    pub credentials: Credentials,
}

/// The address of a server that speaks plain HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Host name or address, without brackets.
    pub(crate) host: String,
    /// TCP port.
    pub(crate) port: u16,
}

/// Settings that make no sense.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SettingsError {
    /// The endpoint is not one.
    #[error("the endpoint {0:?} is not of the form http://HOST:PORT")]
    Endpoint(String),
    /// TLS is not spoken.
    #[error(
        "the endpoint {0:?} asks for TLS, which this client does not speak; use http:// or a proxy that ends TLS"
    )]
    Tls(String),
    /// The region is not one.
    #[error("the region {0:?} is not of the form us-east-1")]
    Region(String),
    /// Half a pair.
    #[error("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must both be set or both be absent")]
    HalfCredentials,
}

impl Default for Settings {
    /// The local server, as the pair `test`/`test` that local AWS endpoints are used with.
    fn default() -> Self {
        let test = || "test".to_owned();
        Self {
            endpoint: Endpoint::default(),
            region: Region::default_region(),
            credentials: Credentials { access_key: test(), secret: test(), session_token: None },
        }
    }
}

impl Settings {
    /// Takes each value from the first place that has it. `environment` looks up a variable.
    ///
    /// # Errors
    /// When a value makes no sense; nothing falls back to a default silently.
    pub fn resolve(
        global: &GlobalArgs,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, SettingsError> {
        // The AWS CLI and SDKs treat an empty variable as an absent one.
        let first = |names: &[&str]| {
            names.iter().find_map(|name| environment(name).filter(|value| !value.is_empty()))
        };
        let endpoint = global.endpoint.clone().or_else(|| first(&["LAMBENT_ENDPOINT", "AWS_ENDPOINT_URL"]));
        let region = global.region.clone().or_else(|| first(&["AWS_REGION", "AWS_DEFAULT_REGION"]));
        let key = first(&["AWS_ACCESS_KEY_ID"]);
        let secret = first(&["AWS_SECRET_ACCESS_KEY"]);
        let credentials = match (key, secret) {
            (Some(access_key), Some(secret)) => {
                Credentials { access_key, secret, session_token: first(&["AWS_SESSION_TOKEN"]) }
            }
            (None, None) => Self::default().credentials,
            _ => return Err(SettingsError::HalfCredentials),
        };
        Ok(Self {
            endpoint: endpoint.as_deref().map_or_else(|| Ok(Endpoint::default()), Endpoint::parse)?,
            region: match region {
                Some(region) => region.parse().map_err(|_| SettingsError::Region(region))?,
                None => Region::default_region(),
            },
            credentials,
        })
    }

    /// The account that the calls act in.
    #[must_use]
    pub fn account(&self) -> AccountId {
        lambent_identity::account_of(&self.credentials.access_key)
    }
}

impl Default for Endpoint {
    fn default() -> Self {
        Self { host: DEFAULT_HOST.to_owned(), port: DEFAULT_PORT }
    }
}

impl Endpoint {
    /// Reads `http://HOST[:PORT]`.
    ///
    /// # Errors
    /// When it is anything else; a path, query or user name would be ignored, so they are refused.
    pub fn parse(text: &str) -> Result<Self, SettingsError> {
        let error = || SettingsError::Endpoint(text.to_owned());
        let uri: http::Uri = text.parse().map_err(|_| error())?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => return Err(SettingsError::Tls(text.to_owned())),
            _ => return Err(error()),
        }
        let authority = uri.authority().ok_or_else(error)?;
        let bare = matches!(uri.path(), "" | "/") && uri.query().is_none();
        if !bare || authority.as_str().contains('@') || authority.host().is_empty() {
            return Err(error());
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        // `HOST:` with an empty or too large port has an authority but no port.
        let port = match authority.port_u16() {
            Some(port) => port,
            None if authority.as_str() == authority.host() => 80,
            None => return Err(error()),
        };
        Ok(Self { host, port })
    }
}

impl fmt::Display for Endpoint {
    /// `HOST:PORT`, as in a `Host` header.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn global(endpoint: Option<&str>, region: Option<&str>) -> GlobalArgs {
        GlobalArgs {
            endpoint: endpoint.map(str::to_owned),
            region: region.map(str::to_owned),
            json: false,
            color: crate::ColorChoice::Never,
        }
    }

    fn resolve(global: &GlobalArgs, environment: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        Settings::resolve(global, |name| {
            environment.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn flags_come_before_environment_before_defaults() {
        let none = global(None, None);
        let ours = ("LAMBENT_ENDPOINT", "http://b:2");
        let aws = ("AWS_ENDPOINT_URL", "http://c:3");
        for (global, environment, expected) in [
            (&global(Some("http://a:1"), None), &[ours, aws][..], "a:1"),
            (&none, &[aws, ours], "b:2"),
            (&none, &[("LAMBENT_ENDPOINT", ""), aws], "c:3"),
            (&none, &[], "127.0.0.1:4566"),
        ] {
            let settings = resolve(global, environment).unwrap();
            assert_eq!(settings.endpoint.to_string(), expected);
        }
        let settings = resolve(&none, &[("AWS_DEFAULT_REGION", "eu-west-1")]).unwrap();
        assert_eq!(settings.region.as_str(), "eu-west-1");
    }

    #[test]
    fn credentials_are_whole_or_the_local_pair() {
        let none = global(None, None);
        let key = ("AWS_ACCESS_KEY_ID", "123456789012");
        let settings = resolve(&none, &[key, ("AWS_SECRET_ACCESS_KEY", "s")]).unwrap();
        assert_eq!(settings.account().as_str(), "123456789012");
        assert_eq!(resolve(&none, &[key]).unwrap_err(), SettingsError::HalfCredentials);
        assert_eq!(resolve(&none, &[]).unwrap().credentials.access_key, "test");
    }

    #[test]
    fn endpoints_are_plain_http_addresses() {
        for (text, expected) in [
            ("http://localhost:4566", "localhost:4566"),
            ("http://localhost/", "localhost:80"),
            ("http://[::1]:9", "[::1]:9"),
        ] {
            assert_eq!(Endpoint::parse(text).unwrap().to_string(), expected);
        }
        assert!(matches!(Endpoint::parse("https://localhost"), Err(SettingsError::Tls(_))));
        for text in [
            "localhost:4566",
            "http://",
            "http://u@h:1",
            "http://h:1/path",
            "http://h:1?q",
            "http://h:99999",
            "ftp://h",
        ] {
            assert_eq!(Endpoint::parse(text), Err(SettingsError::Endpoint(text.to_owned())), "{text}");
        }
    }
}
