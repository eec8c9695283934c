//! What the policies of queues allow (Amazon SQS Developer Guide, "Using identity-based policies", "Basic examples of
//! Amazon SQS policies").

use lambent_identity::Principal;
use lambent_identity::policy::{Access, Decision, Who};
use lambent_wire::{Error, common};

use crate::Context;
use crate::queue::Queue;

/// "Cross-account permissions don't apply to the following actions".
const OWN_ALONE: [&str; 9] = [
    "AddPermission",
    "CancelMessageMoveTask",
    "DeleteQueue",
    "ListMessageMoveTasks",
    "ListQueueTags",
    "RemovePermission",
    "SetQueueAttributes",
    "TagQueue",
    "UntagQueue",
];

impl Context<'_> {
    /// Another account's queue has to permit the operation by its policy, and the caller's own must not deny it. The account
    /// itself is never shut out of its queue's attributes, by which it can repair the policy.
    pub(crate) fn may(&self, queue: &Queue, operation: &'static str) -> Result<(), Error> {
        let is_own = queue.name.scope.account == self.caller.scope.account;
        let repairs = matches!(operation, "SetQueueAttributes" | "GetQueueAttributes" | "DeleteQueue");
        if self.caller.is_service || is_own && repairs && matches!(self.caller.principal, Principal::Root(_))
        {
            return Ok(());
        }
        match (self.decision(queue, operation), is_own) {
            (Decision::Allow, false) if OWN_ALONE.contains(&operation) => {}
            (Decision::Allow, _) | (Decision::Silent, true) => return Ok(()),
            (Decision::Deny, _) => {
                return Err(self.refused(
                    queue,
                    operation,
                    "with an explicit deny in a resource-based policy",
                ));
            }
            (Decision::Silent, false) => {}
        }
        let why =
            format!("because no resource-based policy allows the sqs:{} action", operation.to_lowercase());
        Err(self.refused(queue, operation, &why))
    }

    fn decision(&self, queue: &Queue, operation: &str) -> Decision {
        let Some(document) = &queue.policy else { return Decision::Silent };
        let arn = self.caller.principal.to_string();
        document.decision(&Access {
            who: Who::Aws { account: self.caller.principal.account(), arn: &arn },
            action: &format!("sqs:{operation}"),
            resource: &queue.arn,
            keys: &[],
        })
    }

    fn refused(&self, queue: &Queue, operation: &str, why: &str) -> Error {
        common::access_denied(format!(
            "User: {} is not authorized to perform: sqs:{} on resource: {} {why}",
            self.caller.principal,
            operation.to_lowercase(),
            queue.arn
        ))
    }
}
