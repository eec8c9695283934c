//! STS: who somebody is, and sessions of roles.
//!
//! Sessions are not kept: their tokens hold what they stand for (`lambent_identity::Sessions`), and functions' are made
//! by the same means. Nothing but a role's trust policy decides who may assume it, since the policies of principals are
//! not enforced yet, but for sessions that session policies narrow; what a function's session assumes stays as bound as
//! the function.

mod assume;
mod terms;

use bytes::Bytes;
use http::{Request, Response};
use lambent_identity::{Principal, Sessions, account_of};
use lambent_model::AccountId;
use lambent_wire::sts::{SERVICE, error, op, types as t};
use lambent_wire::{DateTime, Error, Matched, common, encode};

use crate::iam::Iam;

/// Seconds that a session of an account may last, and does without another wish (STS API Reference, "GetSessionToken").
const SESSION_TOKEN_SECONDS: i32 = 43_200;

/// The service.
#[derive(Clone)]
pub struct Sts {
    iam: Iam,
    sessions: Sessions,
}

impl Sts {
    /// The service: roles come from `iam`, credentials from `sessions`.
    #[must_use]
    pub fn new(iam: Iam, sessions: Sessions) -> Self {
        Self { iam, sessions }
    }

    /// Answers a request of the STS API, for which the service's table of operations has found `matched`.
    /// Authentication is behind the caller.
    pub async fn call(
        &self,
        matched: &Matched,
        principal: &Principal,
        request: Request<Bytes>,
        request_id: &str,
    ) -> Response<Bytes> {
        let answered = self.dispatch(matched, principal, request, request_id).await;
        answered.unwrap_or_else(|error| SERVICE.error_response(&error, request_id))
    }

    async fn dispatch(
        &self,
        matched: &Matched,
        principal: &Principal,
        request: Request<Bytes>,
        id: &str,
    ) -> Result<Response<Bytes>, Error> {
        let (parts, body) = request.into_parts();
        match matched.operation().name {
            "AssumeRole" => {
                let input = matched.decode::<op::AssumeRole>(&parts, body)?;
                Ok(encode::<op::AssumeRole>(&self.assume_role(principal, input).await?, id))
            }
            "DecodeAuthorizationMessage" => {
                matched.decode::<op::DecodeAuthorizationMessage>(&parts, body)?;
                // Nothing here encodes any.
                Err(error::invalid_authorization_message_exception(
                    "the message is not one of this server's, which encodes none",
                ))
            }
            "GetAccessKeyInfo" => {
                let input = matched.decode::<op::GetAccessKeyInfo>(&parts, body)?;
                let account = Some(account_of(&input.access_key_id).to_string());
                Ok(encode::<op::GetAccessKeyInfo>(&t::GetAccessKeyInfoResponse { account }, id))
            }
            "GetCallerIdentity" => {
                let identity = self.caller_identity(principal).await?;
                Ok(encode::<op::GetCallerIdentity>(&identity, id))
            }
            "GetSessionToken" => {
                let input = matched.decode::<op::GetSessionToken>(&parts, body)?;
                Ok(encode::<op::GetSessionToken>(&self.session_token(principal, &input)?, id))
            }
            _ => Err(matched.operation().not_offered()),
        }
    }

    /// The unique id of a principal, as `GetCallerIdentity` and function URLs show it: of a session with its name.
    ///
    /// # Errors
    /// Where the roles cannot be read.
    pub async fn user_id(&self, principal: &Principal) -> Result<String, Error> {
        Ok(match principal {
            Principal::Root(account) => account.to_string(),
            Principal::AssumedRole(session) => {
                let role = self.iam.role_named(&session.account, &session.role).await?;
                let id =
                    role.map_or_else(|| unknown_role_id(&session.account, &session.role), |role| role.id);
                format!("{id}:{}", session.name)
            }
        })
    }

    async fn caller_identity(&self, principal: &Principal) -> Result<t::GetCallerIdentityResponse, Error> {
        Ok(t::GetCallerIdentityResponse {
            user_id: Some(self.user_id(principal).await?),
            account: Some(principal.account().to_string()),
            arn: Some(principal.to_string()),
        })
    }

    fn session_token(
        &self,
        principal: &Principal,
        input: &t::GetSessionTokenRequest,
    ) -> Result<t::GetSessionTokenResponse, Error> {
        if input.serial_number.is_some() || input.token_code.is_some() {
            return Err(common::validation_exception(
                "lambent has no MFA devices; leave SerialNumber and TokenCode out",
            ));
        }
        if let Principal::AssumedRole(_) = principal {
            return Err(common::access_denied("Cannot call GetSessionToken with session credentials"));
        }
        let credentials =
            self.credentials(principal, input.duration_seconds.unwrap_or(SESSION_TOKEN_SECONDS));
        Ok(t::GetSessionTokenResponse {
            session_token_size: token_size(&credentials),
            credentials: Some(credentials),
            session_token_utilization: Some(0),
        })
    }

    fn credentials(&self, principal: &Principal, seconds: i32) -> t::Credentials {
        let lifetime = std::time::Duration::from_secs(u64::from(seconds.unsigned_abs()));
        // Whole seconds, as they are shown.
        let ends = self.iam.now().plus(lifetime).millis() / 1000 * 1000;
        let ends = lambent_model::Timestamp::from_millis(ends);
        let credentials = self.sessions.issue(principal, ends, self.iam.entropy());
        t::Credentials {
            access_key_id: Some(credentials.access_key),
            secret_access_key: Some(credentials.secret),
            session_token: credentials.session_token,
            expiration: Some(DateTime(ends)),
        }
    }
}

/// Bytes of a session token.
fn token_size(credentials: &t::Credentials) -> Option<i32> {
    i32::try_from(credentials.session_token.as_ref()?.len()).ok()
}

/// Functions may have roles that IAM does not know; the same one has the same id all the same.
fn unknown_role_id(account: &AccountId, role: &str) -> String {
    let letters =
        role.bytes().filter(u8::is_ascii_alphanumeric).map(|byte| char::from(byte.to_ascii_uppercase()));
    let name: String = letters.chain(std::iter::repeat('A')).take(5).collect();
    format!("AROA{account}{name}")
}
