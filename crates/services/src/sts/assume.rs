//! `AssumeRole`.

use std::sync::Arc;

use lambent_identity::policy::{Decision, Who};
use lambent_identity::{Principal, RoleSession, SessionTerms};
use lambent_wire::sts::types as t;
use lambent_wire::{Error, common};

use super::terms::{percentage, terms};
use super::{Sts, token_size};
use crate::iam::{ASSUME_ROLE, Role};

/// Seconds that a session lasts without another wish (STS API Reference, "AssumeRole").
const DEFAULT_SECONDS: i32 = 3_600;

impl Sts {
    pub(super) async fn assume_role(
        &self,
        principal: &Principal,
        input: t::AssumeRoleRequest,
    ) -> Result<t::AssumeRoleResponse, Error> {
        refuse_not_yet(&input)?;
        let refused = |action: &str, reason: &str| {
            common::access_denied(format!(
                "User: {principal} is not authorized to perform: {action} on resource: {}{reason}",
                input.role_arn
            ))
        };
        // Whether a role exists that does not trust the caller is not said.
        let Some((account, role)) = self.iam.role_of_arn(&input.role_arn).await? else {
            return Err(refused(ASSUME_ROLE, ""));
        };
        let none = SessionTerms::default();
        let calling = match principal {
            Principal::AssumedRole(session) => &*session.terms,
            Principal::Root(_) => &none,
        };
        let terms = terms(&input, calling)?;
        let caller = principal.to_string();
        let who = Who::Aws { account: principal.account(), arn: &caller };
        let keys = self.keys(principal, &input, &role, &terms).await?;
        let keys: Vec<(&str, &str)> = keys.iter().map(|(key, value)| (&**key, &**value)).collect();
        for action in actions(&terms) {
            match role.lets(&account, who, action, &keys) {
                Decision::Allow => {}
                Decision::Deny => {
                    return Err(refused(action, " with an explicit deny in the role's trust policy"));
                }
                Decision::Silent => return Err(refused(action, "")),
            }
        }
        for arn in &terms.policy_arns {
            if !self.iam.is_session_policy(&account, arn).await? {
                let text = format!("Policy {arn} does not exist or is not attachable.");
                return Err(common::validation_exception(text));
            }
        }
        let seconds = duration(&input, &role, matches!(principal, Principal::AssumedRole(_)))?;
        let of_function = matches!(principal, Principal::AssumedRole(session) if session.of_function);
        let name = input.role_session_name;
        let used = percentage(&terms);
        let (has_terms, source_identity) = (!terms.is_empty(), terms.source_identity.clone());
        let session =
            RoleSession { account, role: role.name, name: name.clone(), of_function, terms: Arc::new(terms) };
        let arn = session.to_string();
        let credentials = self.credentials(&Principal::AssumedRole(session), seconds);
        Ok(t::AssumeRoleResponse {
            session_token_size: token_size(&credentials),
            credentials: Some(credentials),
            assumed_role_user: Some(t::AssumedRoleUser {
                assumed_role_id: Some(format!("{}:{name}", role.id)),
                arn: Some(arn),
            }),
            packed_policy_size: has_terms.then_some(used),
            session_token_utilization: Some(used),
            source_identity,
        })
    }

    /// What trust policies may ask for (IAM User Guide, "IAM and AWS STS condition context keys", "AWS global condition
    /// context keys").
    async fn keys(
        &self,
        principal: &Principal,
        input: &t::AssumeRoleRequest,
        role: &Role,
        terms: &SessionTerms,
    ) -> Result<Vec<(String, String)>, Error> {
        let mut keys = vec![
            ("sts:RoleSessionName".to_owned(), input.role_session_name.clone()),
            ("aws:CurrentTime".to_owned(), self.iam.now().to_string()),
        ];
        keys.extend(input.external_id.iter().map(|id| ("sts:ExternalId".to_owned(), id.clone())));
        keys.extend(terms.source_identity.iter().map(|who| ("sts:SourceIdentity".to_owned(), who.clone())));
        for tag in &terms.tags {
            keys.push((format!("aws:RequestTag/{}", tag.key), tag.value.clone()));
            keys.push(("aws:TagKeys".to_owned(), tag.key.clone()));
            keys.extend(tag.transitive.then(|| ("sts:TransitiveTagKeys".to_owned(), tag.key.clone())));
        }
        for (key, value) in &role.tags {
            keys.push((format!("aws:ResourceTag/{key}"), value.clone()));
            keys.push((format!("iam:ResourceTag/{key}"), value.clone()));
        }
        if let Principal::AssumedRole(session) = principal {
            let role = self.iam.role_named(&session.account, &session.role).await?;
            keys.extend(session.terms.keys(role.as_ref().map_or(&[], |role| &role.tags)));
        }
        Ok(keys)
    }
}

/// What a trust policy has to allow for a session with these terms (IAM User Guide, "Pass session tags in AWS STS",
/// "Monitor and control actions taken with assumed roles").
fn actions(terms: &SessionTerms) -> impl Iterator<Item = &'static str> {
    let tags = (!terms.tags.is_empty()).then_some("sts:TagSession");
    let identity = terms.source_identity.as_ref().map(|_| "sts:SetSourceIdentity");
    [ASSUME_ROLE].into_iter().chain(tags).chain(identity)
}

/// There are no devices, and nothing would look at what another provider says.
fn refuse_not_yet(input: &t::AssumeRoleRequest) -> Result<(), Error> {
    for (given, text) in [
        (
            input.serial_number.is_some() || input.token_code.is_some(),
            "lambent has no MFA devices; leave SerialNumber and TokenCode out",
        ),
        (
            input.provided_contexts.as_ref().is_some_and(|given| !given.is_empty()),
            "lambent does not take ProvidedContexts in AssumeRole; leave it out",
        ),
    ] {
        if given {
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
