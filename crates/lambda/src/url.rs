//! Function URLs: an HTTP address of a function or of an alias (AWS Lambda Developer Guide, "Creating and managing Lambda
//! function URLs").

use lambent_model::{Qualifier, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Refusal;

/// `AuthType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum UrlAuth {
    /// Anybody, as far as the resource policy lets them.
    #[serde(rename = "NONE")]
    None,
    /// Signed requests.
    #[serde(rename = "AWS_IAM")]
    Iam,
}

/// `InvokeMode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum InvokeMode {
    /// The answer is sent when it is whole.
    #[serde(rename = "BUFFERED")]
    Buffered,
    /// The answer is sent as it is made.
    #[serde(rename = "RESPONSE_STREAM")]
    ResponseStream,
}

/// What browsers of other origins may do; members as they were given.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Cors {
    /// Whether cookies may be sent.
    pub allow_credentials: Option<bool>,
    /// Headers of requests.
    pub allow_headers: Option<Vec<String>>,
    /// Methods.
    pub allow_methods: Option<Vec<String>>,
    /// Origins, or `*`.
    pub allow_origins: Option<Vec<String>>,
    /// Headers of answers that scripts may see.
    pub expose_headers: Option<Vec<String>>,
    /// For how many seconds a browser may remember this.
    pub max_age_s: Option<u32>,
}

/// The URL of a function or of one of its aliases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionUrl {
    /// The first label of its host name: 32 letters and digits.
    pub id: String,
    /// Who may call it.
    pub auth: UrlAuth,
    /// `None` where no browser of another origin may.
    pub cors: Option<Cors>,
    /// As given; buffered where it was not.
    pub invoke_mode: Option<InvokeMode>,
    /// When it was made.
    pub created: Timestamp,
    /// When it was changed last.
    pub modified: Timestamp,
}

/// A change; `None` keeps what is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UrlChange {
    /// Who may call.
    pub auth: Option<UrlAuth>,
    /// In place of the whole; an empty one clears.
    pub cors: Option<Cors>,
    /// How answers are sent.
    pub invoke_mode: Option<InvokeMode>,
}

impl FunctionUrl {
    /// The name under which a function's record keeps the URL of a qualifier.
    ///
    /// # Errors
    /// For a version: "You can't attach a function URL to any other function version" than `$LATEST`, which goes
    /// without a name.
    pub fn slot(qualifier: Option<&Qualifier>) -> Result<String, Refusal> {
        match qualifier {
            None => Ok(Qualifier::Latest.to_string()),
            Some(Qualifier::Alias(name)) => Ok(name.clone()),
            Some(Qualifier::Latest | Qualifier::Version(_)) => Err(Refusal::InvalidParameter(
                "Function URLs are for functions and aliases: name no version".into(),
            )),
        }
    }

    /// With a change.
    #[must_use]
    pub fn changed(self, change: UrlChange, at: Timestamp) -> Self {
        let cors = match change.cors {
            Some(cors) if cors == Cors::default() => None,
            Some(cors) => Some(cors),
            None => self.cors,
        };
        Self {
            auth: change.auth.unwrap_or(self.auth),
            cors,
            invoke_mode: change.invoke_mode.or(self.invoke_mode),
            modified: at,
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_keeps_what_it_does_not_name() {
        let at = Timestamp::from_millis;
        let url = FunctionUrl {
            id: "x".into(),
            auth: UrlAuth::Iam,
            cors: Some(Cors { max_age_s: Some(5), ..Cors::default() }),
            invoke_mode: None,
            created: at(1),
            modified: at(1),
        };
        let open =
            url.clone().changed(UrlChange { auth: Some(UrlAuth::None), ..UrlChange::default() }, at(2));
        assert_eq!(
            (open.auth, &open.cors, open.created, open.modified),
            (UrlAuth::None, &url.cors, at(1), at(2))
        );
        let bare = url.changed(UrlChange { cors: Some(Cors::default()), ..UrlChange::default() }, at(3));
        assert_eq!((bare.auth, bare.cors), (UrlAuth::Iam, None));
    }

    #[test]
    fn versions_have_no_url() {
        assert_eq!(FunctionUrl::slot(None), Ok("$LATEST".into()));
        assert_eq!(FunctionUrl::slot(Some(&Qualifier::Alias("live".into()))), Ok("live".into()));
        assert!(FunctionUrl::slot(Some(&Qualifier::Version(1))).is_err());
        assert!(FunctionUrl::slot(Some(&Qualifier::Latest)).is_err());
    }
}
