use super::*;

const ARN: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";

fn add(sid: &str, principal: &str) -> AddStatement {
    AddStatement {
        sid: sid.into(),
        action: "lambda:InvokeFunction".into(),
        principal: principal.into(),
        ..AddStatement::default()
    }
}

fn text(statement: &Statement) -> String {
    serde_json::to_string(statement).unwrap()
}

#[test]
fn statements_are_worded_as_awss() {
    // The example of the Developer Guide's page on function URLs, with every condition that AddPermission knows.
    let full = AddStatement {
        action: "lambda:InvokeFunctionUrl".into(),
        source_account: Some("000000000000".into()),
        source_arn: Some("arn:aws:s3:::b".into()),
        principal_org_id: Some("o-1234567890".into()),
        function_url_auth_type: Some("NONE".into()),
        event_source_token: Some("t".into()),
        invoked_via_function_url: Some(true),
        ..add("all", "*")
    };
    assert_eq!(
        text(&full.statement(ARN).unwrap()),
        format!(
            "{{\"Sid\":\"all\",\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"lambda:InvokeFunctionUrl\",\
             \"Resource\":\"{ARN}\",\"Condition\":{{\"StringEquals\":{{\"AWS:SourceAccount\":\"000000000000\",\
             \"lambda:FunctionUrlAuthType\":\"NONE\",\"aws:PrincipalOrgID\":\"o-1234567890\",\
             \"lambda:EventSourceToken\":\"t\"}},\"ArnLike\":{{\"AWS:SourceArn\":\"arn:aws:s3:::b\"}},\
             \"Bool\":{{\"lambda:InvokedViaFunctionUrl\":\"true\"}}}}}}"
        )
    );
    let account = add("a", "123456789012").statement(ARN).unwrap();
    assert!(text(&account).contains("\"Principal\":{\"AWS\":\"arn:aws:iam::123456789012:root\"}"));
    let service = add("s", "s3.amazonaws.com").statement(ARN).unwrap();
    assert!(text(&service).contains("\"Principal\":{\"Service\":\"s3.amazonaws.com\"}"));
    for bad in ["nobody", "12345", "arn:aws:iam::x:root", "arn:aws:s3:::b", "", ".amazonaws.com"] {
        assert!(matches!(add("b", bad).statement(ARN), Err(Refusal::InvalidParameter(_))), "{bad}");
    }
}

#[test]
fn ids_are_unique_and_length_is_limited() {
    let one = Policy::default().with(add("one", "*").statement(ARN).unwrap()).unwrap();
    let again = one.with(add("one", "s3.amazonaws.com").statement(ARN).unwrap());
    assert!(matches!(again, Err(Refusal::Conflict(text)) if text.contains("(one)")));
    assert!(one.without("one").unwrap().is_empty());
    assert!(matches!(one.without("two"), Err(Refusal::NotFound(_))));
    let mut policy = one;
    let refused = loop {
        let next = add(&policy.document().len().to_string(), "s3.amazonaws.com").statement(ARN).unwrap();
        match policy.with(next) {
            Ok(longer) => policy = longer,
            Err(refused) => break refused,
        }
    };
    assert!(matches!(refused, Refusal::PolicyLength(_)), "{refused}");
    assert!(policy.document().len() <= 20_480);
}

fn allows(policy: &Policy, access: &Access<'_>) -> bool {
    policy.decision(access) == Decision::Allow
}

fn asks<'a>(account: &'a lambent_model::AccountId, arn: &'a str) -> Access<'a> {
    Access { who: Who::Aws { account, arn }, action: "lambda:InvokeFunction", resource: ARN, keys: &[] }
}

#[test]
fn principals_are_meant_by_arn_account_and_role() {
    let account = "123456789012".parse().unwrap();
    let session = "arn:aws:sts::123456789012:assumed-role/worker/caller";
    for (principal, allowed) in [
        ("*", true),
        ("123456789012", true),
        ("arn:aws:iam::123456789012:role/worker", true),
        ("arn:aws:iam::123456789012:role/some/path/worker", true),
        (session, true),
        ("arn:aws:iam::123456789012:role/caller", false),
        ("arn:aws:iam::123456789012:user/worker", false),
        ("999999999999", false),
        ("arn:aws:iam::999999999999:role/worker", false),
        ("s3.amazonaws.com", false),
    ] {
        let policy = Policy::default().with(add("s", principal).statement(ARN).unwrap()).unwrap();
        assert_eq!(allows(&policy, &asks(&account, session)), allowed, "{principal}");
    }
}

#[test]
fn action_and_resource_have_to_be_the_statements() {
    let account = "123456789012".parse().unwrap();
    let arn = "arn:aws:iam::123456789012:root";
    let policy = Policy::default().with(add("s", "123456789012").statement(ARN).unwrap()).unwrap();
    let ask = asks(&account, arn);
    assert!(allows(&policy, &ask));
    assert!(!allows(&policy, &Access { action: "lambda:GetFunction", ..ask }));
    let alias = format!("{ARN}:live");
    assert!(!allows(&policy, &Access { resource: &alias, ..ask }), "a policy is for exactly its qualifier");
    let every = AddStatement { action: "lambda:*".into(), ..add("s", "123456789012") };
    let policy = Policy::default().with(every.statement(ARN).unwrap()).unwrap();
    assert!(allows(&policy, &Access { action: "lambda:GetFunction", ..ask }));
}

#[test]
fn conditions_hold_all_or_nothing() {
    let condition = AddStatement {
        source_arn: Some("arn:aws:s3:::bucket-*".into()),
        source_account: Some("000000000000".into()),
        ..add("s", "s3.amazonaws.com")
    };
    let policy = Policy::default().with(condition.statement(ARN).unwrap()).unwrap();
    let bucket = ("aws:SourceArn", "arn:aws:s3:::bucket-1");
    let owner = ("aws:SourceAccount", "000000000000");
    let cases: &[(&[(&str, &str)], bool)] = &[
        (&[bucket, owner], true),
        (&[bucket], false),
        (&[owner], false),
        (&[("aws:SourceArn", "arn:aws:s3:::other"), owner], false),
        (&[bucket, ("aws:SourceAccount", "999999999999")], false),
    ];
    for (keys, allowed) in cases {
        let who = Who::Service("s3.amazonaws.com");
        let access = Access { who, action: "lambda:InvokeFunction", resource: ARN, keys };
        assert_eq!(allows(&policy, &access), *allowed, "{keys:?}");
    }
}

#[test]
fn documents_are_taken_whole_or_refused() {
    let document = |effect: &str, resource: &str, condition: &str| {
        format!(
            "{{\"Version\":\"2012-10-17\",\"Id\":\"mine\",\"Statement\":[{{\"Effect\":\"{effect}\",\"Principal\":\
             {{\"AWS\":[\"123456789012\"]}},\"Action\":[\"lambda:Get*\"],\"Resource\":\"{resource}\",\
             \"Condition\":{condition}}}]}}"
        )
    };
    let given = document("Allow", ARN, "{\"StringNotEquals\":{\"aws:PrincipalArn\":\"x\"}}");
    let policy = Policy::parse(&given, ARN).unwrap();
    assert_eq!(policy.document(), given);
    let account = "123456789012".parse().unwrap();
    let ask = asks(&account, "arn:aws:iam::123456789012:root");
    assert!(allows(&policy, &Access { action: "lambda:GetFunction", ..ask }));
    assert!(!allows(&policy, &ask));
    // Each element has its opposite, and a denial wins over everything.
    let denied = Policy::parse(&document("Deny", ARN, "{}"), ARN).unwrap();
    assert_eq!(denied.decision(&Access { action: "lambda:GetFunction", ..ask }), Decision::Deny);
    assert_eq!(denied.decision(&ask), Decision::Silent);
    let not_action = Policy::parse(&given.replace("\"Action\"", "\"NotAction\""), ARN).unwrap();
    assert!(
        allows(&not_action, &ask) && !allows(&not_action, &Access { action: "lambda:GetFunction", ..ask })
    );
    for refused in [
        document("Forbid", ARN, "{}"),
        document("Allow", "arn:aws:lambda:us-east-1:000000000000:function:g", "{}"),
        document("Allow", ARN, "{\"IpAddress\":{\"aws:SourceIp\":\"10.0.0.0/33\"}}"),
        given.replace("[\"lambda:Get*\"]", "\"s3:*\""),
        given.replace("\"AWS\"", "\"Federated\""),
        given.replace("2012", "2008"),
        "{}".into(),
        "nothing".into(),
    ] {
        assert!(Policy::parse(&refused, ARN).is_err(), "{refused}");
    }
}
