//! Sessions that session policies narrow: what they call has to be allowed by their policies and by those of their role
//! (IAM User Guide, "Session policies"). Nobody else is asked, since the policies of principals bind no other caller yet.

mod members;
mod resources;

use std::net::IpAddr;

use bytes::Bytes;
use http::request::Parts;
use lambent_identity::policy::{Access, Limits, Who};
use lambent_identity::{Principal, RoleSession};
use lambent_model::{Clock, Scope};
use lambent_wire::{Error, Matched, common};

use self::members::Members;
use self::resources::Asked;
use super::Gateway;

/// What everybody may, whatever a policy says (STS API Reference, "GetCallerIdentity", "GetSessionToken").
const ALWAYS: [&str; 2] = ["GetCallerIdentity", "GetSessionToken"];

/// A call that has come whole.
pub(super) struct Call<'a> {
    pub(super) scope: &'a Scope,
    pub(super) matched: &'a Matched,
    pub(super) parts: &'a Parts,
    pub(super) body: &'a Bytes,
}

impl Gateway {
    /// Lets a call pass, or refuses it in AWS's words.
    pub(super) async fn keep_to_limits(
        &self,
        session: &RoleSession,
        call: Call<'_>,
        from: IpAddr,
    ) -> Result<(), Error> {
        let Some(limits) = self.companions.iam.limits(session).await? else { return Ok(()) };
        let Call { scope, matched, parts, body } = call;
        let operation = matched.operation();
        if operation.service.name == "sts" && ALWAYS.contains(&operation.name) {
            return Ok(());
        }
        let members = Members::read(matched, parts, body)?;
        let mut asked = resources::asked(operation.service.name, operation.name, &members, scope, body);
        for one in asked.iter_mut().filter(|one| one.resource.contains(":role/")) {
            // Requests name roles without their paths, policies with them.
            one.resource = self.companions.iam.full_role_arn(&one.resource).await?;
        }
        asked.iter().try_for_each(|asked| check(session, &limits, asked, &scope.region, from, &*self.clock))
    }

    /// What binds a session, where session policies do.
    pub(super) async fn limits(&self, principal: &Principal) -> Result<Option<Limits>, Error> {
        match principal {
            Principal::AssumedRole(session) if session.terms.narrow() => {
                Box::pin(self.companions.iam.limits(session)).await
            }
            _ => Ok(None),
        }
    }

    /// Whether a caller may call a function's URL.
    pub(crate) async fn keep_to_limits_of_url(
        &self,
        principal: &Principal,
        resource: &str,
        scope: &Scope,
        from: IpAddr,
    ) -> Result<(), Error> {
        let (Principal::AssumedRole(session), Some(limits)) = (principal, self.limits(principal).await?)
        else {
            return Ok(());
        };
        ["lambda:InvokeFunctionUrl", "lambda:InvokeFunction"].into_iter().try_for_each(|action| {
            let keys = vec![("lambda:InvokedViaFunctionUrl", "true".to_owned())];
            let asked = Asked { action: action.to_owned(), resource: resource.to_owned(), keys };
            check(session, &limits, &asked, &scope.region, from, &*self.clock)
        })
    }
}

fn check(
    session: &RoleSession,
    limits: &Limits,
    asked: &Asked,
    region: &lambent_model::Region,
    from: IpAddr,
    clock: &dyn Clock,
) -> Result<(), Error> {
    let (arn, now, from) = (session.to_string(), clock.now(), from.to_string());
    let (time, seconds) = (now.to_string(), now.seconds().to_string());
    let mut keys = vec![
        ("aws:CurrentTime", time.as_str()),
        ("aws:EpochTime", &seconds),
        ("aws:RequestedRegion", region.as_str()),
        // What stays on the machine needs no TLS.
        ("aws:SecureTransport", "true"),
        ("aws:SourceIp", &from),
    ];
    keys.extend(asked.keys.iter().map(|(key, value)| (*key, value.as_str())));
    let who = Who::Aws { account: &session.account, arn: &arn };
    let Asked { action, resource, .. } = asked;
    limits.check(&Access { who, action, resource, keys: &keys }).map_err(|missing| {
        common::access_denied(format!(
            "User: {arn} is not authorized to perform: {action} on resource: {resource} {}",
            missing.words(action)
        ))
    })
}
