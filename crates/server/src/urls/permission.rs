//! Who may call a function URL (AWS Lambda Developer Guide, "Control access to Lambda function URLs"): both
//! `lambda:InvokeFunctionUrl` and `lambda:InvokeFunction` have to be allowed, the latter for calls by the URL.

use http::request::Parts;
use lambent_identity::{AuthError, Payload, Principal, Sessions, Signed, account_of};
use lambent_lambda::{Access, Decision, Policy, UrlAuth, Who};
use lambent_model::{Sha256, Timestamp};
use sha2::Digest as _;

use super::event::SignedBy;
use super::host::UrlHost;
use super::index::Served;
use super::serve::Peer;
use crate::gateway::LOOPBACK_SECRET;

/// Who calls.
#[derive(Debug)]
pub(super) enum Caller {
    Anyone,
    Signed { access_key: String, principal: Principal, account: String, arn: String },
}

/// Why a request is not let through.
#[derive(Debug)]
pub(super) enum Refused {
    /// It is not signed, or nothing allows it.
    Forbidden,
    /// Its signature is none.
    Signature(AuthError),
}

/// Who signed the request, where that is asked for. Unlike on the API's own endpoint the signature is verified: a
/// function that trusts its caller's ARN must be able to.
pub(super) fn identify(
    sessions: &Sessions,
    served: &Served,
    host: &UrlHost,
    parts: &Parts,
    body: &[u8],
    now: Timestamp,
) -> Result<Caller, Refused> {
    if served.url.auth == UrlAuth::None {
        return Ok(Caller::Anyone);
    }
    let signed = lambent_identity::parse(parts).map_err(Refused::Signature)?.ok_or(Refused::Forbidden)?;
    let credential = signed.credential();
    if credential.service != "lambda" || credential.scope_region.as_str() != host.region {
        return Err(Refused::Signature(AuthError::InvalidSignature(format!(
            "Credential should be scoped to the region {} and the service lambda.",
            host.region
        ))));
    }
    let (principal, secret) = secret_of(sessions, &signed, now).map_err(Refused::Signature)?;
    let payload = Payload::Signed(Sha256(sha2::Sha256::digest(body).into()));
    lambent_identity::verify(&signed, parts, payload, &secret, now).map_err(Refused::Signature)?;
    let (account, arn) = (principal.account().to_string(), principal.to_string());
    Ok(Caller::Signed { access_key: credential.access_key.clone(), principal, account, arn })
}

fn secret_of(sessions: &Sessions, signed: &Signed, now: Timestamp) -> Result<(Principal, String), AuthError> {
    let key = &signed.credential().access_key;
    if let Some(token) = signed.session_token()
        && let Some(opened) = sessions.open(key, token, now)?
    {
        return Ok((opened.principal, opened.secret));
    }
    Ok((Principal::Root(account_of(key)), LOOPBACK_SECRET.to_owned()))
}

/// The ARN of what a URL calls, as policies name it.
pub(super) fn resource(served: &Served) -> String {
    match &served.target.qualifier {
        Some(_) => served.target.qualified(),
        None => served.target.function.to_string(),
    }
}

/// Whether the caller may call. Those of the function's own account may unless it denies them, as they may invoke it;
/// anybody else needs its permission.
pub(super) fn permit(
    policy: &Policy,
    served: &Served,
    caller: &Caller,
    from: Peer,
    now: Timestamp,
) -> Result<(), Refused> {
    let scope = &served.target.function.scope;
    let (who, is_own) = match caller {
        Caller::Anyone => (Who::Anonymous, false),
        Caller::Signed { principal, arn, .. } => {
            (Who::Aws { account: principal.account(), arn }, *principal.account() == scope.account)
        }
    };
    let resource = resource(served);
    let auth = if served.url.auth == UrlAuth::None { "NONE" } else { "AWS_IAM" };
    let (address, time, seconds) = (from.address.to_string(), now.to_string(), now.seconds().to_string());
    let keys = [
        ("aws:CurrentTime", time.as_str()),
        ("aws:EpochTime", &seconds),
        ("aws:RequestedRegion", scope.region.as_str()),
        ("aws:ResourceAccount", scope.account.as_str()),
        ("aws:SecureTransport", if from.secured.is_some() { "true" } else { "false" }),
        ("aws:SourceIp", &address),
        ("lambda:FunctionUrlAuthType", auth),
        ("lambda:InvokedViaFunctionUrl", "true"),
    ];
    let is_allowed = ["lambda:InvokeFunctionUrl", "lambda:InvokeFunction"].iter().all(|action| match policy
        .decision(&Access { who, action, resource: &resource, keys: &keys })
    {
        Decision::Allow => true,
        Decision::Silent => is_own,
        Decision::Deny => false,
    });
    if is_allowed { Ok(()) } else { Err(Refused::Forbidden) }
}

impl Caller {
    /// For the event.
    pub(super) fn signed_by<'a>(&'a self, owner: &'a str, id: &'a str) -> Option<SignedBy<'a>> {
        let Self::Signed { access_key, account, arn, .. } = self else { return None };
        Some(SignedBy { owner, access_key, account, arn, id })
    }
}
