//! Which actions on which resources a call is (Service Authorization Reference). What is not known to be about one
//! resource is about `*`, so that only a policy for all of them allows it.

use lambent_model::{FunctionArn, FunctionReference, Scope};

use super::members::Members;
use crate::gateway::inside::action;

/// One thing that has to be allowed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) action: String,
    pub(super) resource: String,
    /// Condition keys of this action alone.
    pub(super) keys: Vec<(&'static str, String)>,
}

/// Everything that a call needs to be allowed.
pub(super) fn asked(
    service: &str,
    operation: &str,
    members: &Members,
    scope: &Scope,
    body: &[u8],
) -> Vec<Asked> {
    let mut asked: Vec<Asked> = resources(service, operation, members, scope, body)
        .into_iter()
        .map(|resource| Asked { action: name_of(service, operation), resource, keys: Vec::new() })
        .collect();
    if service == "lambda" {
        for one in &mut asked {
            let function = members.text("FunctionName").filter(|_| operation.contains("EventSourceMapping"));
            one.keys.extend(function.map(|name| ("lambda:FunctionArn", function_arn(name, None, scope))));
        }
        asked.extend(beside(operation, members, scope));
    }
    asked
}

fn name_of(service: &str, operation: &str) -> String {
    match (service, operation) {
        ("lambda", "GetLayerVersionByArn") => "lambda:GetLayerVersion".to_owned(),
        _ => action(service, operation),
    }
}

/// What creating and updating functions takes beside itself.
fn beside(operation: &str, members: &Members, scope: &Scope) -> Vec<Asked> {
    let mut more = Vec::new();
    if ["CreateFunction", "UpdateFunctionConfiguration"].contains(&operation) {
        more.extend(members.text("Role").map(|role| Asked {
            action: "iam:PassRole".to_owned(),
            resource: role.to_owned(),
            keys: vec![("iam:PassedToService", "lambda.amazonaws.com".to_owned())],
        }));
        more.extend(members.all("Layers").map(|layer| Asked {
            action: "lambda:GetLayerVersion".to_owned(),
            resource: layer.to_owned(),
            keys: vec![("lambda:Layer", layer.to_owned())],
        }));
    }
    if operation == "CreateFunction" && members.has("Tags") {
        let name = members.text("FunctionName").unwrap_or_default();
        let resource = function_arn(name, None, scope);
        more.push(Asked { action: "lambda:TagResource".to_owned(), resource, keys: Vec::new() });
    }
    more
}

fn resources(service: &str, operation: &str, members: &Members, scope: &Scope, body: &[u8]) -> Vec<String> {
    let Scope { account, region } = scope;
    let in_service = |rest: String| format!("arn:aws:{service}:{region}:{account}:{rest}");
    let text = |name: &str| members.text(name);
    let one = match service {
        "lambda" => lambda(operation, members, scope),
        "sqs" => text("QueueUrl")
            .and_then(|url| {
                let mut parts = url.rsplit('/');
                let (name, account) = (parts.next()?, parts.next()?);
                Some(format!("arn:aws:sqs:{region}:{account}:{name}"))
            })
            .or_else(|| {
                let owner = text("QueueOwnerAWSAccountId").unwrap_or(account.as_str());
                Some(format!("arn:aws:sqs:{region}:{owner}:{}", text("QueueName")?))
            })
            .or_else(|| text("SourceArn").map(str::to_owned)),
        "sns" => ["TopicArn", "TargetArn", "ResourceArn"]
            .into_iter()
            .find_map(text)
            .map(str::to_owned)
            .or_else(|| text("Name").map(|name| in_service(name.to_owned()))),
        "logs" => return logs(operation, members, in_service),
        "iam" => iam(operation, members, scope),
        "sts" => text("RoleArn").map(str::to_owned),
        "events" if operation == "PutEvents" => return buses(body, scope),
        "events" => events(operation, members, in_service),
        "scheduler" => scheduler(operation, members, in_service),
        _ => None,
    };
    vec![one.unwrap_or_else(|| "*".to_owned())]
}

fn function_arn(name: &str, qualifier: Option<&str>, scope: &Scope) -> String {
    let Ok(reference) = name.parse::<FunctionReference>() else { return "*".to_owned() };
    let scope = Scope {
        account: reference.account.unwrap_or_else(|| scope.account.clone()),
        region: reference.region.unwrap_or_else(|| scope.region.clone()),
    };
    let arn = FunctionArn { scope, name: reference.name }.to_string();
    match qualifier.map(str::to_owned).or_else(|| reference.qualifier.map(|it| it.to_string())) {
        Some(qualifier) => format!("{arn}:{qualifier}"),
        None => arn,
    }
}

fn lambda(operation: &str, members: &Members, scope: &Scope) -> Option<String> {
    let Scope { account, region } = scope;
    let mapping = |id: &str| format!("arn:aws:lambda:{region}:{account}:event-source-mapping:{id}");
    if operation.contains("EventSourceMapping") {
        return members.text("UUID").map(mapping);
    }
    if let Some(name) = members.text("LayerName") {
        let layer = match name.starts_with("arn:") {
            true => name.to_owned(),
            false => format!("arn:aws:lambda:{region}:{account}:layer:{name}"),
        };
        return Some(match members.text("VersionNumber") {
            Some(version) => format!("{layer}:{version}"),
            None => layer,
        });
    }
    if let Some(name) = members.text("FunctionName") {
        return Some(function_arn(name, members.text("Qualifier"), scope));
    }
    let whole = ["Arn", "Resource", "ResourceArn", "CodeSigningConfigArn", "DurableExecutionArn"];
    whole.into_iter().find_map(|name| members.text(name)).map(str::to_owned)
}

/// Log groups have `:*` behind their ARNs in policies, which stands for a stream that a call names, or does not.
fn logs(operation: &str, members: &Members, in_service: impl Fn(String) -> String) -> Vec<String> {
    let names = ["logGroupName", "logGroupIdentifier", "logGroupNames", "logGroupIdentifiers", "resourceArn"];
    let stream = members.text("logStreamName").unwrap_or_default();
    let of = |name: &str| match name.starts_with("arn:") {
        true => format!("{}:log-stream:{stream}", name.trim_end_matches(":*")),
        false => in_service(format!("log-group:{name}:log-stream:{stream}")),
    };
    let named: Vec<String> = names.into_iter().flat_map(|name| members.all(name)).map(of).collect();
    match (named.is_empty(), operation) {
        (false, _) => named,
        (true, "DescribeLogGroups") => vec![of("")],
        (true, _) => vec!["*".to_owned()],
    }
}

/// Roles by their names alone, which is where the caller has to look for their paths; new ones have theirs in the request.
fn iam(operation: &str, members: &Members, scope: &Scope) -> Option<String> {
    let of = |kind: &str, name: &str| {
        let path = members.text("Path").filter(|_| operation.starts_with("Create")).unwrap_or("/");
        format!("arn:aws:iam::{}:{kind}{path}{name}", scope.account)
    };
    let role = members.text("RoleName").map(|name| of("role", name));
    let policy = || members.text("PolicyArn").map(str::to_owned);
    role.or_else(policy).or_else(|| members.text("PolicyName").map(|name| of("policy", name)))
}

fn events(operation: &str, members: &Members, in_service: impl Fn(String) -> String) -> Option<String> {
    if let Some(arn) = members.text("ResourceARN") {
        return Some(arn.to_owned());
    }
    let bus = members.text("EventBusName").unwrap_or("default");
    let bus = bus.rsplit_once("event-bus/").map_or(bus, |(_, name)| name);
    let rule = |name: &str| match bus {
        "default" => in_service(format!("rule/{name}")),
        bus => in_service(format!("rule/{bus}/{name}")),
    };
    let named = |member: &str, kind: &str| {
        members.text(member).map(|name| match name.starts_with("arn:") {
            true => name.to_owned(),
            false => in_service(format!("{kind}/{name}")),
        })
    };
    match operation {
        _ if operation.ends_with("EventBus") => named("Name", "event-bus"),
        "PutPermission" | "RemovePermission" => Some(in_service(format!("event-bus/{bus}"))),
        _ if operation.ends_with("Archive") => named("ArchiveName", "archive"),
        _ if operation.ends_with("Replay") => named("ReplayName", "replay"),
        "ListRules" | "TestEventPattern" => None,
        _ => members.text("Rule").or_else(|| members.text("Name")).map(rule),
    }
}

/// The buses that events go to.
fn buses(body: &[u8], scope: &Scope) -> Vec<String> {
    let Scope { account, region } = scope;
    let request: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let entries = request["Entries"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut buses: Vec<String> = entries
        .iter()
        .map(|entry| match entry["EventBusName"].as_str().unwrap_or("default") {
            arn if arn.starts_with("arn:") => arn.to_owned(),
            name => format!("arn:aws:events:{region}:{account}:event-bus/{name}"),
        })
        .collect();
    buses.sort();
    buses.dedup();
    match buses.is_empty() {
        true => vec!["*".to_owned()],
        false => buses,
    }
}

fn scheduler(operation: &str, members: &Members, in_service: impl Fn(String) -> String) -> Option<String> {
    if let Some(arn) = members.text("ResourceArn") {
        return Some(arn.to_owned());
    }
    let name = members.text("Name")?;
    Some(match operation.ends_with("ScheduleGroup") {
        true => in_service(format!("schedule-group/{name}")),
        false => {
            let group = members.text("GroupName").or_else(|| members.text("groupName")).unwrap_or("default");
            in_service(format!("schedule/{group}/{name}"))
        }
    })
}

#[cfg(test)]
mod tests {
    use lambent_model::AccountId;

    use super::*;

    #[test]
    fn calls_are_about_what_they_name() {
        let scope = Scope { account: AccountId::default_account(), region: "eu-west-1".parse().unwrap() };
        let here = "eu-west-1:000000000000";
        for (service, operation, members, expected) in [
            (
                "lambda",
                "Invoke",
                &[("FunctionName", "f")][..],
                vec![format!("lambda:InvokeFunction arn:aws:lambda:{here}:function:f")],
            ),
            (
                "lambda",
                "Invoke",
                &[("FunctionName", "f"), ("Qualifier", "live")],
                vec![format!("lambda:InvokeFunction arn:aws:lambda:{here}:function:f:live")],
            ),
            (
                "lambda",
                "GetFunction",
                &[("FunctionName", "f:2")],
                vec![format!("lambda:GetFunction arn:aws:lambda:{here}:function:f:2")],
            ),
            ("lambda", "ListFunctions", &[], vec!["lambda:ListFunctions *".to_owned()]),
            (
                "lambda",
                "CreateFunction",
                &[("FunctionName", "f"), ("Role", "arn:aws:iam::000000000000:role/r"), ("Tags", "")],
                vec![
                    format!("lambda:CreateFunction arn:aws:lambda:{here}:function:f"),
                    "iam:PassRole arn:aws:iam::000000000000:role/r".to_owned(),
                    format!("lambda:TagResource arn:aws:lambda:{here}:function:f"),
                ],
            ),
            (
                "lambda",
                "GetLayerVersion",
                &[("LayerName", "l"), ("VersionNumber", "3")],
                vec![format!("lambda:GetLayerVersion arn:aws:lambda:{here}:layer:l:3")],
            ),
            (
                "lambda",
                "CreateEventSourceMapping",
                &[("FunctionName", "f")],
                vec!["lambda:CreateEventSourceMapping *".to_owned()],
            ),
            (
                "sqs",
                "SendMessageBatch",
                &[("QueueUrl", "http://h:4566/000000000000/q")],
                vec![format!("sqs:SendMessage arn:aws:sqs:{here}:q")],
            ),
            (
                "sqs",
                "CreateQueue",
                &[("QueueName", "q")],
                vec![format!("sqs:CreateQueue arn:aws:sqs:{here}:q")],
            ),
            ("sns", "CreateTopic", &[("Name", "t")], vec![format!("sns:CreateTopic arn:aws:sns:{here}:t")]),
            (
                "logs",
                "PutLogEvents",
                &[("logGroupName", "/g"), ("logStreamName", "s")],
                vec![format!("logs:PutLogEvents arn:aws:logs:{here}:log-group:/g:log-stream:s")],
            ),
            ("logs", "DescribeQueries", &[], vec!["logs:DescribeQueries *".to_owned()]),
            (
                "iam",
                "CreateRole",
                &[("RoleName", "r"), ("Path", "/p/")],
                vec!["iam:CreateRole arn:aws:iam::000000000000:role/p/r".to_owned()],
            ),
            (
                "events",
                "PutTargets",
                &[("Rule", "r"), ("EventBusName", "b")],
                vec![format!("events:PutTargets arn:aws:events:{here}:rule/b/r")],
            ),
            (
                "scheduler",
                "GetSchedule",
                &[("Name", "s")],
                vec![format!("scheduler:GetSchedule arn:aws:scheduler:{here}:schedule/default/s")],
            ),
            (
                "sts",
                "AssumeRole",
                &[("RoleArn", "arn:aws:iam::1:role/r")],
                vec!["sts:AssumeRole arn:aws:iam::1:role/r".to_owned()],
            ),
        ] {
            let asked = asked(service, operation, &Members::of(members), &scope, b"");
            let asked: Vec<String> =
                asked.iter().map(|one| format!("{} {}", one.action, one.resource)).collect();
            assert_eq!(asked, expected, "{service} {operation}");
        }
        let entries = br#"{"Entries":[{"EventBusName":"b"},{},{"EventBusName":"b"}]}"#;
        let asked = asked("events", "PutEvents", &Members::of(&[]), &scope, entries);
        let buses: Vec<&str> = asked.iter().map(|one| one.resource.rsplit('/').next().unwrap()).collect();
        assert_eq!(buses, ["b", "default"]);
    }
}
