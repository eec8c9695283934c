//! What a caller may do.
//!
//! The policies of principals are not enforced yet. On a loopback address an account may do everything, and so may a
//! session of a role that somebody assumed; a function's session, and what that has assumed, may read, invoke and log. Changing the API's resources would let one function rewrite another, so
//! that is the owner's to allow for all of them: `--functions-may-admin`.

use lambent_identity::{Principal, RoleSession};
use lambent_model::{FunctionArn, FunctionReference, Scope};
use lambent_wire::{Error, Matched, Operation, common};

/// What is not read from an operation's name, and is no change of the API's resources either: running functions,
/// assuming roles that trust the function's, sending and receiving messages, and what durable functions say of their own executions while they run.
const WORK: [&str; 18] = [
    "AssumeRole",
    "ChangeMessageVisibility",
    "ChangeMessageVisibilityBatch",
    "CheckpointDurableExecution",
    "DecodeAuthorizationMessage",
    "DeleteMessage",
    "DeleteMessageBatch",
    "Invoke",
    "InvokeAsync",
    "InvokeWithResponseStream",
    "PutEvents",
    "ReceiveMessage",
    "SendDurableExecutionCallbackFailure",
    "SendDurableExecutionCallbackHeartbeat",
    "SendDurableExecutionCallbackSuccess",
    "SendMessage",
    "SendMessageBatch",
    "TestEventPattern",
];

/// What functions do with logs: what AWS's policy AWSLambdaBasicExecutionRole allows (AWS Managed Policy Reference), and
/// reads whose names do not say so. Deletions, retention, tags and filters are the owner's.
const LOGGING: [&str; 7] = [
    "CreateLogGroup",
    "CreateLogStream",
    "PutLogEvents",
    "StartLiveTail",
    "StartQuery",
    "StopQuery",
    "TestMetricFilter",
];

/// What functions do with topics: they send to them. Topics, subscriptions and permissions are the owner's.
const PUBLISHING: [&str; 2] = ["Publish", "PublishBatch"];

/// Decides by who calls.
pub(crate) struct Authoriser {
    /// Whether functions may change the API's resources.
    pub(crate) functions_may_admin: bool,
}

impl Authoriser {
    /// Lets the call pass or refuses it. Whether the operation is offered is not decided here.
    pub(super) fn check(&self, principal: &Principal, matched: &Matched, scope: &Scope) -> Result<(), Error> {
        let Principal::AssumedRole(session) = principal else { return Ok(()) };
        let operation = matched.operation();
        if !session.of_function || self.functions_may_admin || may(operation) {
            return Ok(());
        }
        let name = matched.label("FunctionName");
        Err(refusal(session, operation, &resource(scope, name)))
    }
}

/// Reading, running and writing logs. Reads begin so in every service's model.
fn may(operation: &Operation) -> bool {
    ["Describe", "Filter", "Get", "List"].iter().any(|read| operation.name.starts_with(read))
        || WORK.contains(&operation.name)
        || LOGGING.contains(&operation.name)
        || PUBLISHING.contains(&operation.name)
}

/// The ARN of the function that a path names; `*` for an operation on something else.
fn resource(scope: &Scope, name: Option<&str>) -> String {
    let Some(Ok(reference)) = name.map(str::parse::<FunctionReference>) else { return "*".to_owned() };
    let scope = Scope {
        account: reference.account.unwrap_or_else(|| scope.account.clone()),
        region: reference.region.unwrap_or_else(|| scope.region.clone()),
    };
    FunctionArn { scope, name: reference.name }.to_string()
}

/// AWS's words (IAM User Guide, "Troubleshoot access denied error messages"), and what to do here.
fn refusal(session: &RoleSession, operation: &Operation, resource: &str) -> Error {
    let action = operation.qualified_name();
    common::access_denied(format!(
        "User: {session} is not authorized to perform: {action} on resource: {resource} because no identity-based \
         policy allows the {action} action (functions change resources where lambent was started with \
         --functions-may-admin)"
    ))
}

#[cfg(test)]
mod tests {
    use lambent_model::AccountId;
    use lambent_wire::{events, iam, lambda, logs, sns, sqs, sts};

    use super::*;

    fn allowed() -> Vec<&'static str> {
        lambda::SERVICE.operations.iter().filter(|o| may(o)).map(|o| o.name).collect()
    }

    #[test]
    fn reading_and_running_are_allowed_and_nothing_that_changes() {
        let verbs = ["Add", "Create", "Delete", "Publish", "Put", "Remove", "Stop", "Tag", "Untag", "Update"];
        let allowed = allowed();
        assert!(allowed.contains(&"Invoke") && allowed.contains(&"ListFunctions"));
        for name in allowed {
            assert!(!verbs.iter().any(|verb| name.starts_with(verb)), "{name}");
        }
        // Each name in the list is one of the model: a spelling mistake would forbid it in silence.
        let services = [&lambda::SERVICE, &sts::SERVICE, &sqs::SERVICE, &events::SERVICE];
        let known = || services.into_iter().flat_map(|service| service.operations);
        for name in WORK {
            assert!(known().any(|operation| operation.name == name), "{name}");
        }
        for name in LOGGING {
            assert!(logs::SERVICE.operations.iter().any(|operation| operation.name == name), "{name}");
        }
    }

    #[test]
    fn functions_write_logs_and_delete_none() {
        let allowed: Vec<&str> = logs::SERVICE.operations.iter().filter(|o| may(o)).map(|o| o.name).collect();
        for name in
            ["PutLogEvents", "CreateLogGroup", "FilterLogEvents", "DescribeLogGroups", "GetQueryResults"]
        {
            assert!(allowed.contains(&name), "{name}");
        }
        for name in [
            "DeleteLogGroup",
            "PutRetentionPolicy",
            "PutSubscriptionFilter",
            "TagResource",
            "PutResourcePolicy",
        ] {
            assert!(!allowed.contains(&name), "{name}");
        }
    }

    #[test]
    fn functions_publish_and_subscribe_nobody() {
        let allowed: Vec<&str> = sns::SERVICE.operations.iter().filter(|o| may(o)).map(|o| o.name).collect();
        assert!(PUBLISHING.iter().all(|name| allowed.contains(name)) && allowed.contains(&"ListTopics"));
        let verbs = [
            "Add",
            "Confirm",
            "Create",
            "Delete",
            "Remove",
            "Set",
            "Subscribe",
            "Tag",
            "Unsubscribe",
            "Untag",
        ];
        for name in allowed {
            assert!(!verbs.iter().any(|verb| name.starts_with(verb)), "{name}");
        }
    }

    #[test]
    fn functions_read_roles_and_make_none() {
        let allowed: Vec<&str> = iam::SERVICE.operations.iter().filter(|o| may(o)).map(|o| o.name).collect();
        assert!(allowed.contains(&"GetRole") && allowed.contains(&"ListPolicies"));
        let verbs = ["Add", "Attach", "Create", "Delete", "Detach", "Put", "Set", "Tag", "Untag", "Update"];
        for name in allowed {
            assert!(!verbs.iter().any(|verb| name.starts_with(verb)), "{name}");
        }
    }

    #[test]
    fn the_refusal_names_caller_action_and_function() {
        let scope = Scope { account: AccountId::default_account(), region: "eu-west-1".parse().unwrap() };
        let session = RoleSession::for_function(scope.account.clone(), "arn:aws:iam::0:role/r", "f");
        let assumed = Principal::AssumedRole(RoleSession { of_function: false, ..session.clone() });
        let principal = Principal::AssumedRole(session);
        let request = http::Request::builder().method("DELETE").uri("/2015-03-31/functions/other").body(());
        let matched = lambda::SERVICE.route(&request.unwrap().into_parts().0).unwrap();
        let check = |functions_may_admin, principal: &Principal| {
            Authoriser { functions_may_admin }.check(principal, &matched, &scope)
        };
        let error = check(false, &principal).unwrap_err().to_string();
        assert!(
            error.contains(
                "User: arn:aws:sts::000000000000:assumed-role/r/f is not authorized to perform: lambda:DeleteFunction on \
                 resource: arn:aws:lambda:eu-west-1:000000000000:function:other because"
            ),
            "{error}"
        );
        assert!(check(true, &principal).is_ok());
        assert!(check(false, &assumed).is_ok(), "a role that a deploy tool has assumed");
        assert!(check(false, &Principal::Root(scope.account.clone())).is_ok());
    }
}
