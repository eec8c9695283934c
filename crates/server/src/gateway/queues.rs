//! Who calls, as SQS wants to know it.

use lambent_control::Caller;
use lambent_identity::Principal;

/// The caller of a call of SQS.
pub(super) fn caller(caller: &Caller, principal: &Principal) -> lambent_sqs::Caller {
    // A service of the platform is named by its own principal; what it may do has been asked before.
    let is_service = caller.arn.ends_with(".amazonaws.com");
    let sender = match principal {
        _ if is_service => caller.arn.clone(),
        Principal::Root(account) => account.to_string(),
        Principal::AssumedRole(session) => format!("{}:{}", session.role, session.name),
    };
    lambent_sqs::Caller {
        scope: caller.scope.clone(),
        principal: principal.clone(),
        is_service,
        sender,
        base_url: caller.base_url.clone(),
    }
}
