//! Which services and operations are generated.

use super::model::Model;

/// A service of the table.
pub(crate) struct Service {
    /// Name of the generated module and file.
    pub(crate) module: &'static str,
    /// Folder of the service in botocore's data.
    pub(crate) folder: &'static str,
    /// Version folder in it; named, because some services carry several.
    pub(crate) version: &'static str,
    /// Operations with types and constraints.
    pub(crate) operations: Operations,
}

/// Which operations of a model get types and constraints. Every other one gets a route alone, so that the answer can
/// tell "known, but not offered" from "no such operation".
pub(crate) enum Operations {
    /// All of them.
    All,
    /// These.
    These(&'static [&'static str]),
}

impl Service {
    /// The names of the operations with types, in the model's order.
    pub(crate) fn typed<'a>(&self, model: &'a Model) -> Result<Vec<&'a str>, String> {
        let known = model.operations.keys().map(String::as_str);
        let Operations::These(names) = self.operations else { return Ok(known.collect()) };
        if let Some(unknown) = names.iter().find(|name| !model.operations.contains_key(**name)) {
            return Err(format!("{} has no operation '{unknown}'; correct the table", self.module));
        }
        Ok(known.filter(|name| names.contains(name)).collect())
    }
}

/// Everything that `cargo xtask codegen` writes.
pub(crate) const SERVICES: &[Service] = &[
    Service {
        module: "application_autoscaling",
        folder: "application-autoscaling",
        version: "2016-02-06",
        operations: Operations::These(&[
            "DeleteScalingPolicy",
            "DeleteScheduledAction",
            "DeregisterScalableTarget",
            "DescribeScalableTargets",
            "DescribeScalingActivities",
            "DescribeScalingPolicies",
            "DescribeScheduledActions",
            "ListTagsForResource",
            "PutScalingPolicy",
            "PutScheduledAction",
            "RegisterScalableTarget",
            "TagResource",
            "UntagResource",
        ]),
    },
    Service {
        module: "events",
        folder: "events",
        version: "2015-10-07",
        operations: Operations::These(&[
            "CancelReplay",
            "CreateArchive",
            "CreateEventBus",
            "DeleteArchive",
            "DeleteEventBus",
            "DeleteRule",
            "DescribeArchive",
            "DescribeEventBus",
            "DescribeReplay",
            "DescribeRule",
            "DisableRule",
            "EnableRule",
            "ListArchives",
            "ListEventBuses",
            "ListReplays",
            "ListRuleNamesByTarget",
            "ListRules",
            "ListTagsForResource",
            "ListTargetsByRule",
            "PutEvents",
            "PutPermission",
            "PutRule",
            "PutTargets",
            "RemovePermission",
            "RemoveTargets",
            "StartReplay",
            "TagResource",
            "TestEventPattern",
            "UntagResource",
            "UpdateArchive",
            "UpdateEventBus",
        ]),
    },
    Service { module: "lambda", folder: "lambda", version: "2015-03-31", operations: Operations::All },
    Service {
        module: "logs",
        folder: "logs",
        version: "2014-03-28",
        operations: Operations::These(&[
            "CreateLogGroup",
            "CreateLogStream",
            "DeleteLogGroup",
            "DeleteLogStream",
            "DeleteMetricFilter",
            "DeleteQueryDefinition",
            "DeleteResourcePolicy",
            "DeleteRetentionPolicy",
            "DeleteSubscriptionFilter",
            "DescribeLogGroups",
            "DescribeLogStreams",
            "DescribeMetricFilters",
            "DescribeQueries",
            "DescribeQueryDefinitions",
            "DescribeResourcePolicies",
            "DescribeSubscriptionFilters",
            "FilterLogEvents",
            "GetLogEvents",
            "GetLogGroupFields",
            "GetLogRecord",
            "GetQueryResults",
            "ListLogGroups",
            "ListTagsForResource",
            "ListTagsLogGroup",
            "PutLogEvents",
            "PutMetricFilter",
            "PutQueryDefinition",
            "PutResourcePolicy",
            "PutRetentionPolicy",
            "PutSubscriptionFilter",
            "StartLiveTail",
            "StartQuery",
            "StopQuery",
            "TagLogGroup",
            "TagResource",
            "TestMetricFilter",
            "UntagLogGroup",
            "UntagResource",
        ]),
    },
    Service {
        module: "iam",
        folder: "iam",
        version: "2010-05-08",
        operations: Operations::These(&[
            "AttachRolePolicy",
            "CreatePolicy",
            "CreatePolicyVersion",
            "CreateRole",
            "DeletePolicy",
            "DeletePolicyVersion",
            "DeleteRole",
            "DeleteRolePermissionsBoundary",
            "DeleteRolePolicy",
            "DetachRolePolicy",
            "GetAccountSummary",
            "GetPolicy",
            "GetPolicyVersion",
            "GetRole",
            "GetRolePolicy",
            "GetUser",
            "ListAccountAliases",
            "ListAttachedRolePolicies",
            "ListEntitiesForPolicy",
            "ListInstanceProfilesForRole",
            "ListPolicies",
            "ListPolicyTags",
            "ListPolicyVersions",
            "ListRolePolicies",
            "ListRoleTags",
            "ListRoles",
            "PutRolePermissionsBoundary",
            "PutRolePolicy",
            "SetDefaultPolicyVersion",
            "TagPolicy",
            "TagRole",
            "UntagPolicy",
            "UntagRole",
            "UpdateAssumeRolePolicy",
            "UpdateRole",
            "UpdateRoleDescription",
        ]),
    },
    Service {
        module: "sts",
        folder: "sts",
        version: "2011-06-15",
        operations: Operations::These(&[
            "AssumeRole",
            "DecodeAuthorizationMessage",
            "GetAccessKeyInfo",
            "GetCallerIdentity",
            "GetSessionToken",
        ]),
    },
    Service { module: "scheduler", folder: "scheduler", version: "2021-06-30", operations: Operations::All },
    Service {
        module: "sns",
        folder: "sns",
        version: "2010-03-31",
        operations: Operations::These(&[
            "AddPermission",
            "ConfirmSubscription",
            "CreateTopic",
            "DeleteTopic",
            "GetDataProtectionPolicy",
            "GetSubscriptionAttributes",
            "GetTopicAttributes",
            "ListSubscriptions",
            "ListSubscriptionsByTopic",
            "ListTagsForResource",
            "ListTopics",
            "Publish",
            "PublishBatch",
            "RemovePermission",
            "SetSubscriptionAttributes",
            "SetTopicAttributes",
            "Subscribe",
            "TagResource",
            "Unsubscribe",
            "UntagResource",
        ]),
    },
    Service { module: "sqs", folder: "sqs", version: "2012-11-05", operations: Operations::All },
];
