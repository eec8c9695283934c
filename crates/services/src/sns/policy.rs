//! Policies of topics (SNS Developer Guide, "Overview of managing access in Amazon SNS"): the one that a topic begins with,
//! `AddPermission` and `RemovePermission`, and what a policy says to somebody of another account. Pure.

use lambent_identity::Principal;
use lambent_identity::policy::{Access, Decision, Document, OneOrMany, PolicyKind, Who};
use lambent_wire::Error;
use lambent_wire::sns::error;
use serde_json::{Value, json};

use super::names::{TopicArn, invalid};

/// The bytes of a policy.
const BYTES: usize = 30 * 1024;
/// What a policy of a topic may be about ("Valid Amazon SNS policy actions"), without `SNS:`.
const ACTIONS: [&str; 10] = [
    "AddPermission",
    "DeleteTopic",
    "GetDataProtectionPolicy",
    "GetTopicAttributes",
    "ListSubscriptionsByTopic",
    "ListTagsForResource",
    "Publish",
    "RemovePermission",
    "SetTopicAttributes",
    "Subscribe",
];

/// The policy of a topic that has been given none: its owner's account, and nobody else.
pub(super) fn default(topic: &TopicArn) -> String {
    let actions = [
        "GetTopicAttributes",
        "SetTopicAttributes",
        "AddPermission",
        "RemovePermission",
        "DeleteTopic",
        "Subscribe",
        "ListSubscriptionsByTopic",
        "Publish",
    ];
    json!({
        "Version": "2008-10-17",
        "Id": "__default_policy_ID",
        "Statement": [{
            "Sid": "__default_statement_ID",
            "Effect": "Allow",
            "Principal": {"AWS": "*"},
            "Action": actions.map(|action| format!("SNS:{action}")),
            "Resource": topic.to_string(),
            "Condition": {"StringEquals": {"AWS:SourceOwner": topic.scope.account.as_str()}},
        }],
    })
    .to_string()
}

/// Checks what is to be a topic's policy.
pub(super) fn check(text: &str) -> Result<(), Error> {
    let refused = |reason: String| {
        error::invalid_parameter_exception(format!("Invalid parameter: Policy Error: {reason}"))
    };
    if text.len() > BYTES {
        return Err(refused(format!("it is larger than {BYTES} bytes")));
    }
    let document =
        Document::parse(text, PolicyKind::Resource).map_err(|malformed| refused(malformed.to_string()))?;
    let all = document.statement.iter().flat_map(|statement| [&statement.action, &statement.not_action]);
    for action in all.flatten().flat_map(OneOrMany::iter) {
        let of_service =
            action == "*" || action.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("sns:"));
        if !of_service {
            return Err(error::invalid_parameter_exception(
                "Invalid parameter: Policy statement action out of service scope!",
            ));
        }
    }
    Ok(())
}

/// The policy with a statement that lets accounts do something.
pub(super) fn with_permission(
    policy: &str,
    topic: &TopicArn,
    label: &str,
    accounts: &[String],
    actions: &[String],
) -> Result<String, Error> {
    if accounts.is_empty() || actions.is_empty() {
        return Err(invalid(if actions.is_empty() { "ActionName" } else { "AWSAccountId" }, ""));
    }
    if let Some(unknown) = actions.iter().find(|action| *action != "*" && !ACTIONS.contains(&action.as_str()))
    {
        return Err(invalid("ActionName", &format!("{unknown} is no action of a topic's policy")));
    }
    if let Some(wrong) = accounts.iter().find(|account| account.parse::<lambent_model::AccountId>().is_err())
    {
        return Err(invalid("AWSAccountId", &format!("{wrong} is no account")));
    }
    let mut whole = read(policy)?;
    let statements = statements(&mut whole)?;
    if statements.iter().any(|statement| statement["Sid"] == label) {
        return Err(invalid("Label", "Statement already exists"));
    }
    let one_or_many =
        |mut texts: Vec<String>| if texts.len() == 1 { texts.remove(0).into() } else { Value::from(texts) };
    statements.push(json!({
        "Sid": label,
        "Effect": "Allow",
        "Principal": {"AWS": one_or_many(accounts.iter().map(|account| format!("arn:aws:iam::{account}:root")).collect())},
        "Action": one_or_many(actions.iter().map(|action| format!("SNS:{action}")).collect()),
        "Resource": topic.to_string(),
    }));
    let text = whole.to_string();
    check(&text)?;
    Ok(text)
}

/// The policy without the statement of this name.
pub(super) fn without_permission(policy: &str, label: &str) -> Result<String, Error> {
    let mut whole = read(policy)?;
    let statements = statements(&mut whole)?;
    let before = statements.len();
    statements.retain(|statement| statement["Sid"] != label);
    if statements.len() == before {
        return Err(error::not_found_exception(format!("Statement {label} does not exist")));
    }
    if statements.is_empty() {
        let reason = "it is the policy's only statement; set another policy instead";
        return Err(invalid("Label", reason));
    }
    Ok(whole.to_string())
}

/// A policy that was checked when it was set.
fn read(policy: &str) -> Result<Value, Error> {
    serde_json::from_str(policy).map_err(|error| error::internal_error_exception(error.to_string()))
}

fn statements(policy: &mut Value) -> Result<&mut Vec<Value>, Error> {
    if policy["Statement"].is_object() {
        let only = policy["Statement"].take();
        policy["Statement"] = Value::Array(vec![only]);
    }
    policy["Statement"]
        .as_array_mut()
        .ok_or_else(|| error::internal_error_exception("the topic's policy has no statements"))
}

/// Whether a principal may do something with a topic: whoever is of its account may as far as the topic is concerned,
/// unless its policy denies it; somebody of another account may where the policy says so.
pub(super) fn allows(policy: &str, topic: &TopicArn, principal: &Principal, action: &str) -> bool {
    let (arn, account, resource) = (principal.to_string(), principal.account(), topic.to_string());
    let action = format!("sns:{action}");
    let keys = [("aws:SourceOwner", account.as_str()), ("aws:SourceAccount", account.as_str())];
    let who = Who::Aws { account, arn: &arn };
    let access = Access { who, action: &action, resource: &resource, keys: &keys };
    // A policy of another release's that this one cannot read allows nobody anything.
    match Document::parse(policy, PolicyKind::Resource).map(|document| document.decision(&access)) {
        Ok(Decision::Allow) => true,
        Ok(Decision::Silent) => *account == topic.scope.account,
        Ok(Decision::Deny) | Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic() -> TopicArn {
        TopicArn::parse("TopicArn", "arn:aws:sns:us-east-1:000000000000:t").unwrap()
    }

    fn root(account: &str) -> Principal {
        Principal::Root(account.parse().unwrap())
    }

    #[test]
    fn a_topic_is_its_accounts_until_somebody_is_let_in() {
        let policy = default(&topic());
        check(&policy).unwrap();
        let (own, other) = (root("000000000000"), root("111111111111"));
        assert!(allows(&policy, &topic(), &own, "Publish"));
        assert!(!allows(&policy, &topic(), &other, "Publish"));
        let more =
            with_permission(&policy, &topic(), "l", &["111111111111".into()], &["Publish".into()]).unwrap();
        assert!(allows(&more, &topic(), &other, "Publish") && !allows(&more, &topic(), &other, "Subscribe"));
        let again = with_permission(&more, &topic(), "l", &["111111111111".into()], &["Publish".into()]);
        assert!(again.unwrap_err().message.contains("Statement already exists"));
        let less = without_permission(&more, "l").unwrap();
        assert!(!allows(&less, &topic(), &other, "Publish"));
        assert_eq!(without_permission(&less, "l").unwrap_err().code, "NotFound");
    }

    #[test]
    fn a_denial_counts_for_the_owner_as_well() {
        let policy = json!({"Statement": {
            "Effect": "Deny", "Principal": "*", "Action": "sns:Publish", "Resource": topic().to_string()
        }});
        assert!(!allows(&policy.to_string(), &topic(), &root("000000000000"), "Publish"));
        assert!(allows(&policy.to_string(), &topic(), &root("000000000000"), "Subscribe"));
    }

    #[test]
    fn what_is_no_policy_of_a_topic_is_refused() {
        for (policy, reason) in [
            ("{}", "Policy Error: Missing required field Statement"),
            ("x", "Policy Error"),
            (
                r#"{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}}"#,
                "out of service scope",
            ),
        ] {
            let error = check(policy).unwrap_err();
            assert!(error.message.contains(reason), "{error}");
        }
        let wrong =
            with_permission(&default(&topic()), &topic(), "l", &["111111111111".into()], &["Fly".into()]);
        assert!(wrong.unwrap_err().message.contains("Fly"));
    }
}
