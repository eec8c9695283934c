//! The keys that endpoints are signed with, read once while the server still has the rights of who started it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use lambent_identity::Credentials;
use lambent_model::AccountId;

use super::{Endpoint, Endpoints, Source, of_account};

/// Why keys cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("the credentials of an endpoint cannot be had: {0}")]
pub struct KeysError(String);

/// The keys of all endpoints. Nothing shows a secret of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Keys {
    environment: Option<Credentials>,
    profiles: BTreeMap<String, Credentials>,
}

impl Keys {
    /// Reads what the endpoints name, out of this process's environment and the shared credentials file (SDKs and Tools
    /// Reference Guide, "Using shared config and credentials files").
    pub(crate) fn read(endpoints: &Endpoints) -> Result<Self, KeysError> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let mut keys = Self::default();
        for endpoint in endpoints.iter() {
            match &endpoint.credentials {
                Source::Account => {}
                Source::Environment => {
                    let found = complete(
                        &variable,
                        "AWS_ACCESS_KEY_ID",
                        "AWS_SECRET_ACCESS_KEY",
                        "AWS_SESSION_TOKEN",
                    );
                    keys.environment = Some(found.ok_or_else(|| {
                        KeysError("set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY for the server".into())
                    })?);
                }
                Source::Profile(name) => {
                    let path = shared_file(&variable)?;
                    let text = std::fs::read_to_string(&path)
                        .map_err(|error| KeysError(format!("{}: {error}", path.display())))?;
                    let found = profile(&text, name).ok_or_else(|| {
                        KeysError(format!(
                            "{} has no profile {name:?} with aws_access_key_id and aws_secret_access_key",
                            path.display()
                        ))
                    })?;
                    keys.profiles.insert(name.clone(), found);
                }
            }
        }
        Ok(keys)
    }

    /// What a call of this account's to `endpoint` is signed with.
    pub(crate) fn of(&self, endpoint: &Endpoint, account: &AccountId) -> Credentials {
        let found = match &endpoint.credentials {
            Source::Account => None,
            Source::Environment => self.environment.as_ref(),
            Source::Profile(name) => self.profiles.get(name),
        };
        // What an endpoint names was there when the server started.
        found.cloned().unwrap_or_else(|| of_account(account))
    }
}

fn shared_file(variable: &dyn Fn(&str) -> Option<String>) -> Result<PathBuf, KeysError> {
    let named = variable("AWS_SHARED_CREDENTIALS_FILE").map(PathBuf::from);
    let usual = || variable("HOME").map(|home| PathBuf::from(home).join(".aws/credentials"));
    named.or_else(usual).ok_or_else(|| KeysError("set HOME or AWS_SHARED_CREDENTIALS_FILE".into()))
}

/// The keys of one section: lines `name = value` below `[section]`.
fn profile(text: &str, name: &str) -> Option<Credentials> {
    let mut inside = false;
    let mut found = BTreeMap::new();
    for line in text.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            inside = section.trim() == name;
        } else if inside
            && !line.starts_with(['#', ';'])
            && let Some((key, value)) = line.split_once('=')
        {
            found.insert(key.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    let get = |key: &str| found.get(key).filter(|value| !value.is_empty()).cloned();
    complete(&get, "aws_access_key_id", "aws_secret_access_key", "aws_session_token")
}

fn complete(
    get: &dyn Fn(&str) -> Option<String>,
    key: &str,
    secret: &str,
    token: &str,
) -> Option<Credentials> {
    Some(Credentials { access_key: get(key)?, secret: get(secret)?, session_token: get(token) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_one_section_of_the_file() {
        let file = "[default]\naws_access_key_id = A\naws_secret_access_key = B\n\n[ p ]\n# aws_access_key_id = no\n\
                    aws_access_key_id=C\naws_secret_access_key = D=E\naws_session_token = T\n[half]\naws_access_key_id = F";
        let keys =
            |name| profile(file, name).map(|found| (found.access_key, found.secret, found.session_token));
        assert_eq!(keys("default"), Some(("A".into(), "B".into(), None)));
        assert_eq!(keys("p"), Some(("C".into(), "D=E".into(), Some("T".into()))));
        assert_eq!((keys("half"), keys("none")), (None, None));
    }
}
