//! `AssumeRole`.

use lambent_identity::policy::{Decision, Who};
use lambent_identity::{Principal, RoleSession};
use lambent_wire::sts::types as t;
use lambent_wire::{Error, common};

use super::Sts;
use crate::iam::Role;

/// Seconds that a session lasts without another wish (STS API Reference, "AssumeRole").
const DEFAULT_SECONDS: i32 = 3_600;

impl Sts {
    pub(super) async fn assume_role(
        &self,
        principal: &Principal,
        input: t::AssumeRoleRequest,
    ) -> Result<t::AssumeRoleResponse, Error> {
        refuse_not_yet(&input)?;
        let refused = |reason: &str| {
            common::access_denied(format!(
                "User: {principal} is not authorized to perform: sts:AssumeRole on resource: {}{reason}",
                input.role_arn
            ))
        };
        // Whether a role exists that does not trust the caller is not said.
        let Some((account, role)) = self.iam.role_of_arn(&input.role_arn).await? else {
            return Err(refused(""));
        };
        let caller = principal.to_string();
        let who = Who::Aws { account: principal.account(), arn: &caller };
        match role.trusts(&account, who, &keys(&input, &self.iam.now().to_string())) {
            Decision::Allow => {}
            Decision::Deny => return Err(refused(" with an explicit deny in the role's trust policy")),
            Decision::Silent => return Err(refused("")),
        }
        let seconds = duration(&input, &role, matches!(principal, Principal::AssumedRole(_)))?;
        let of_function = matches!(principal, Principal::AssumedRole(session) if session.of_function);
        let name = input.role_session_name;
        let session = RoleSession { account, role: role.name, name: name.clone(), of_function };
        let arn = session.to_string();
        Ok(t::AssumeRoleResponse {
            credentials: Some(self.credentials(&Principal::AssumedRole(session), seconds)),
            assumed_role_user: Some(t::AssumedRoleUser {
                assumed_role_id: Some(format!("{}:{name}", role.id)),
                arn: Some(arn),
            }),
            ..Default::default()
        })
    }
}

/// What trust policies may ask for (IAM User Guide, "IAM and AWS STS condition context keys").
fn keys<'a>(input: &'a t::AssumeRoleRequest, now: &'a str) -> Vec<(&'a str, &'a str)> {
    let mut keys = vec![("sts:RoleSessionName", input.role_session_name.as_str()), ("aws:CurrentTime", now)];
    keys.extend(input.external_id.as_deref().map(|id| ("sts:ExternalId", id)));
    keys
}

/// What would narrow or mark a session is refused, since nothing would keep to it.
fn refuse_not_yet(input: &t::AssumeRoleRequest) -> Result<(), Error> {
    for (given, name) in [
        (input.policy.is_some(), "Policy"),
        (input.policy_arns.as_ref().is_some_and(|arns| !arns.is_empty()), "PolicyArns"),
        (input.tags.as_ref().is_some_and(|tags| !tags.is_empty()), "Tags"),
        (input.transitive_tag_keys.as_ref().is_some_and(|keys| !keys.is_empty()), "TransitiveTagKeys"),
        (input.source_identity.is_some(), "SourceIdentity"),
        (input.provided_contexts.as_ref().is_some_and(|given| !given.is_empty()), "ProvidedContexts"),
        (input.serial_number.is_some(), "SerialNumber"),
        (input.token_code.is_some(), "TokenCode"),
    ] {
        if given {
            let text = format!("lambent does not take {name} in AssumeRole yet; leave it out");
            return Err(common::validation_exception(text));
        }
    }
    Ok(())
}

/// No longer than the role allows, and an hour where one session assumes the next ("role chaining").
fn duration(input: &t::AssumeRoleRequest, role: &Role, chained: bool) -> Result<i32, Error> {
    let seconds = input.duration_seconds.unwrap_or(DEFAULT_SECONDS);
    if seconds > role.session_seconds {
        return Err(common::validation_exception(
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        ));
    }
    if chained && seconds > DEFAULT_SECONDS {
        return Err(common::validation_exception(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
        ));
    }
    Ok(seconds)
}
