//! Who calls, as SQS wants to know it.

use lambent_control::Caller;
use lambent_identity::Principal;

/// The caller of a call of SQS.
pub(super) fn caller(caller: &Caller, principal: &Principal) -> lambent_sqs::Caller {
    let sender = match (&caller.service, principal) {
        (Some(service), _) => service.clone(),
        (None, Principal::Root(account)) => account.to_string(),
        (None, Principal::AssumedRole(session)) => format!("{}:{}", session.role, session.name),
    };
    lambent_sqs::Caller {
        scope: caller.scope.clone(),
        principal: principal.clone(),
        is_service: caller.service.is_some(),
        sender,
        base_url: caller.base_url.clone(),
    }
}
