//! Access keys and the scope of a signature.

use std::fmt;

use lambent_model::{AccountId, Region};

use crate::AuthError;

/// The last element of each credential scope.
pub(crate) const TERMINATOR: &str = "aws4_request";

/// Who signed, and what the signature is good for: `ACCESSKEY/20150830/us-east-1/iam/aws4_request`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// The access key id.
    pub access_key: String,
    /// The day of the signature, `YYYYMMDD` in UTC.
    pub date: String,
    /// The region that the signature is valid in.
    pub scope_region: Region,
    /// The signing name of the service that the signature is valid for, such as `lambda`.
    pub service: String,
}

impl Credential {
    /// Reads `ACCESSKEY/DATE/REGION/SERVICE/aws4_request`.
    pub(crate) fn parse(text: &str) -> Result<Self, AuthError> {
        let mut parts = text.split('/');
        let five_and_an_end = std::array::from_fn(|_| parts.next());
        let [Some(access_key), Some(date), Some(region), Some(service), Some(terminator), None] =
            five_and_an_end
        else {
            return Err(AuthError::IncompleteSignature(format!(
                "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, \
                 got '{text}'"
            )));
        };
        if terminator != TERMINATOR {
            return Err(AuthError::InvalidSignature(format!(
                "Credential should be scoped with a valid terminator: '{TERMINATOR}', not '{terminator}'."
            )));
        }
        if date.len() != 8 || !date.bytes().all(|b| b.is_ascii_digit()) {
            return Err(AuthError::IncompleteSignature(format!(
                "Credential date must be of the form YYYYMMDD, got '{date}'"
            )));
        }
        if access_key.is_empty() || service.is_empty() {
            return Err(AuthError::IncompleteSignature(format!(
                "Credential must name an access key and a service, got '{text}'"
            )));
        }
        let scope_region = region.parse().map_err(|_| {
            AuthError::InvalidSignature(format!(
                "Credential should be scoped to a valid region, not '{region}'."
            ))
        })?;
        Ok(Self {
            access_key: access_key.to_owned(),
            date: date.to_owned(),
            scope_region,
            service: service.to_owned(),
        })
    }

    /// The scope without the access key: `20150830/us-east-1/iam/aws4_request`.
    pub(crate) fn scope(&self) -> String {
        format!("{}/{}/{}/{TERMINATOR}", self.date, self.scope_region, self.service)
    }
}

/// What a client signs with.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The access key id.
    pub access_key: String,
    /// The secret access key.
    pub secret: String,
    /// The token of a temporary session, sent along and signed.
    pub session_token: Option<String>,
}

impl fmt::Debug for Credentials {
    /// Shows the access key alone: debug output ends up in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("access_key", &self.access_key).finish_non_exhaustive()
    }
}

/// The account that an access key acts in: a key of 12 digits names its account, any other stands for the default.
#[must_use]
pub fn account_of(access_key: &str) -> AccountId {
    access_key.parse().unwrap_or_else(|_| AccountId::default_account())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_name_an_account() {
        assert_eq!(account_of("123456789012").as_str(), "123456789012");
        for key in ["test", "AKIDEXAMPLE", "12345678901", "1234567890123", ""] {
            assert_eq!(account_of(key), AccountId::default_account(), "{key}");
        }
    }

    #[test]
    fn debug_output_hides_secrets() {
        let credentials = Credentials {
            access_key: "AKID".to_owned(),
            secret: "hush".to_owned(),
            session_token: Some("quiet".to_owned()),
        };
        assert_eq!(format!("{credentials:?}"), r#"Credentials { access_key: "AKID", .. }"#);
    }
}
