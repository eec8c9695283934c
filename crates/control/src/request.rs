//! Who calls, and which function they mean.

use lambent_lambda::{Access, CodeSigning, Decision, Policy, Who};
use lambent_model::{FunctionArn, FunctionReference, Qualifier, RoleTrust, Scope, Target};
use lambent_wire::{Error, common, lambda};

use crate::find::Found;
use crate::refuse::invalid;
use crate::resources::Kept;
use crate::{Control, code_signing};

/// Who calls.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The account and region the call acts in.
    pub scope: Scope,
    /// The caller's ARN, for policies and error texts.
    pub arn: String,
    /// The service of the platform that calls, `sns.amazonaws.com`: what it may do has been asked before. Nobody from
    /// outside is one.
    pub service: Option<String>,
    /// Whether the caller is the account itself and not a role's session.
    pub is_account: bool,
    /// Whether the caller is a function of this server.
    pub is_function: bool,
    /// Scheme, host and port under which the caller reached us: what links in answers begin with.
    pub base_url: String,
}

/// One call being answered.
pub(crate) struct Context<'a> {
    pub(crate) control: &'a Control,
    pub(crate) caller: &'a Caller,
    pub(crate) request_id: &'a str,
    pub(crate) trace_id: Option<&'a str>,
}

/// The action of invocations, which is not the operation's name (Service Authorization Reference, "Actions, resources,
/// and condition keys for AWS Lambda").
pub(crate) const INVOKE: &str = "InvokeFunction";

/// What the account itself may always do, so that no policy locks everybody out of its function.
const REPAIRS: [&str; 5] =
    ["DeleteResourcePolicy", "GetPolicy", "GetResourcePolicy", "PutResourcePolicy", "RemovePermission"];

impl Context<'_> {
    /// Finds out which function `name` and `qualifier` mean (names, partial and full ARNs). The shapes' patterns have
    /// been checked already. Another account's function has to permit `action` by its policy, and the own account's must
    /// not deny it.
    pub(crate) async fn target(
        &self,
        name: &str,
        qualifier: Option<&str>,
        action: &str,
    ) -> Result<Target, Error> {
        let target = self.named(name, qualifier)?;
        let is_own = target.function.scope.account == self.caller.scope.account;
        if is_own && self.caller.is_account && REPAIRS.contains(&action) {
            return Ok(target);
        }
        match self.decision(&target, action, is_own).await {
            Decision::Allow => Ok(target),
            Decision::Silent if is_own => Ok(target),
            Decision::Deny => {
                Err(self.refused(&target, action, "with an explicit deny in a resource-based policy"))
            }
            Decision::Silent => {
                let why = format!("because no resource-based policy allows the lambda:{action} action");
                Err(self.refused(&target, action, &why))
            }
        }
    }

    /// What `name` and `qualifier` mean.
    pub(crate) async fn find(
        &self,
        name: &str,
        qualifier: Option<&str>,
        action: &str,
    ) -> Result<Found, Error> {
        let target = self.target(name, qualifier, action).await?;
        Found::load(&self.control.parts.store, target).await
    }

    fn named(&self, name: &str, qualifier: Option<&str>) -> Result<Target, Error> {
        let reference: FunctionReference =
            name.parse().map_err(|_| invalid(format!("{name} is not a function name or ARN")))?;
        let scope = &self.caller.scope;
        if let Some(region) = &reference.region
            && *region != scope.region
        {
            return Err(lambda::error::resource_not_found_exception(format!(
                "Functions from '{region}' are not reachable in this region ('{}')",
                scope.region
            )));
        }
        let given = qualifier.map(Qualifier::parse);
        if let (Some(embedded), Some(given)) = (&reference.qualifier, &given)
            && embedded != given
        {
            return Err(invalid(
                "The derived qualifier from the function name does not match the specified qualifier.",
            ));
        }
        let account = reference.account.unwrap_or_else(|| scope.account.clone());
        let scope = Scope { account, ..scope.clone() };
        let function = FunctionArn { scope, name: reference.name };
        Ok(Target { function, qualifier: reference.qualifier.or(given) })
    }

    /// What the policy of exactly this qualifier says to the caller.
    async fn decision(&self, target: &Target, action: &str, is_own: bool) -> Decision {
        let parts = &self.control.parts;
        let policy = if action == INVOKE {
            // Invocations read nothing from the store; whoever runs the function knows its policy.
            parts.invoke.resource_policy(target).await
        } else {
            // Whether a function that the caller may not see exists is not said either.
            Found::load(&parts.store, target.clone()).await.ok().map(|found| found.policy().document())
        };
        // The own account needs no permission, so that only a denial is worth the reading.
        let policy = policy.filter(|policy| !is_own || policy.contains("\"Deny\""));
        let Some(policy) = policy.and_then(|policy| Policy::stored(&policy)) else { return Decision::Silent };
        let (action, arn) = (format!("lambda:{action}"), shown(target));
        let now = parts.clock.now();
        let (time, seconds) = (now.to_string(), (now.millis() / 1000).to_string());
        let keys = [
            ("aws:CurrentTime", time.as_str()),
            ("aws:EpochTime", &seconds),
            ("aws:RequestedRegion", self.caller.scope.region.as_str()),
            ("aws:ResourceAccount", target.function.scope.account.as_str()),
            // The server speaks HTTP alone.
            ("aws:SecureTransport", "false"),
            ("lambda:InvokedViaFunctionUrl", "false"),
        ];
        let who = Who::Aws { account: &self.caller.scope.account, arn: &self.caller.arn };
        policy.decision(&Access { who, action: &action, resource: &arn, keys: &keys })
    }

    fn refused(&self, target: &Target, action: &str, why: &str) -> Error {
        common::access_denied(format!(
            "User: {} is not authorized to perform: lambda:{action} on resource: {} {why}",
            self.caller.arn,
            shown(target)
        ))
    }

    /// Refuses a role that exists and does not trust Lambda. One that nobody has made is taken: a machine of one's own
    /// needs no roles, and most functions on it name one of another account.
    pub(crate) async fn check_role(&self, role: &str, function: &FunctionArn) -> Result<(), Error> {
        match self.control.parts.roles.trust(role, &function.to_string()).await {
            Ok(RoleTrust::Unknown | RoleTrust::Given) => Ok(()),
            Ok(RoleTrust::Denied) => {
                Err(invalid("The role defined for the function cannot be assumed by Lambda."))
            }
            Err(reason) => Err(lambda::error::service_exception(reason)),
        }
    }

    /// The code signing configuration of an ARN of the caller's account and region.
    pub(crate) async fn code_signing(&self, arn: &str) -> Result<Kept<CodeSigning>, Error> {
        code_signing::load(&self.control.parts.store, &self.caller.scope, arn).await
    }

    /// The function of an operation that takes no versions and aliases.
    pub(crate) async fn function(&self, name: &str, action: &str) -> Result<FunctionArn, Error> {
        let target = self.target(name, None, action).await?;
        match target.qualifier {
            None => Ok(target.function),
            Some(_) => Err(invalid(
                "This operation is permitted on Lambda functions only. Aliases and versions do not support this \
                 operation. Please specify either a function name or an unqualified function ARN.",
            )),
        }
    }

    /// The function whose `$LATEST` the caller may name as `NAME` or `NAME:$LATEST`, for updates.
    pub(crate) async fn latest(&self, name: &str, action: &str) -> Result<FunctionArn, Error> {
        let target = self.target(name, None, action).await?;
        match target.qualifier {
            None | Some(Qualifier::Latest) => Ok(target.function),
            Some(_) => Err(invalid(
                "Current operation does not support versions other than $LATEST. Please set the version to $LATEST or \
                 do not set a version in your request.",
            )),
        }
    }
}

/// The ARN as the caller named it.
pub(crate) fn shown(target: &Target) -> String {
    target.qualifier.as_ref().map_or_else(|| target.function.to_string(), |_| target.qualified())
}
