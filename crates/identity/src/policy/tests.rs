use lambent_model::AccountId;

use super::*;

const ROLE: &str = "arn:aws:sts::123456789012:assumed-role/worker/session";

fn decide(kind: PolicyKind, document: &str, action: &str, resource: &str, keys: &[(&str, &str)]) -> Decision {
    let document = Document::parse(document, kind).unwrap_or_else(|error| panic!("{document}: {error}"));
    let account: AccountId = "123456789012".parse().unwrap();
    document.decision(&Access { who: Who::Aws { account: &account, arn: ROLE }, action, resource, keys })
}

fn holds(condition: &str, keys: &[(&str, &str)]) -> bool {
    let document = format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"*","Resource":"*","Condition":{condition}}}}}"#
    );
    decide(PolicyKind::Identity, &document, "s3:GetObject", "arn:aws:s3:::b/k", keys) == Decision::Allow
}

#[test]
fn every_operator_holds_and_does_not() {
    for (condition, yes, no) in [
        (r#"{"StringEquals":{"k":["a","b"]}}"#, "b", "B"),
        (r#"{"StringNotEquals":{"k":["a","b"]}}"#, "c", "a"),
        (r#"{"StringEqualsIgnoreCase":{"k":"Ab"}}"#, "aB", "abc"),
        (r#"{"StringNotEqualsIgnoreCase":{"k":"Ab"}}"#, "abc", "aB"),
        (r#"{"StringLike":{"k":"a*c?"}}"#, "abbcd", "abbc"),
        (r#"{"StringNotLike":{"k":"a*c?"}}"#, "abbc", "abbcd"),
        (r#"{"StringEquals":{"k":"a*"}}"#, "a*", "ab"),
        (r#"{"NumericEquals":{"k":"10"}}"#, "10.0", "11"),
        (r#"{"NumericNotEquals":{"k":10}}"#, "11", "10"),
        (r#"{"NumericLessThan":{"k":10}}"#, "9.5", "10"),
        (r#"{"NumericLessThanEquals":{"k":10}}"#, "10", "10.5"),
        (r#"{"NumericGreaterThan":{"k":10}}"#, "100", "9"),
        (r#"{"NumericGreaterThanEquals":{"k":10}}"#, "10", "-10"),
        (
            r#"{"DateEquals":{"k":"2026-01-01T00:00:00Z"}}"#,
            "2026-01-01T01:00:00+01:00",
            "2026-01-01T00:00:01Z",
        ),
        (r#"{"DateNotEquals":{"k":"2026-01-01"}}"#, "2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z"),
        (r#"{"DateLessThan":{"k":"2026-01-01T00:00:00Z"}}"#, "1767225599", "1767225600"),
        (r#"{"DateLessThanEquals":{"k":"1767225600"}}"#, "2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z"),
        (r#"{"DateGreaterThan":{"k":"2026-01-01"}}"#, "2026-01-01T00:00:01Z", "2026-01-01T00:00:00Z"),
        (r#"{"DateGreaterThanEquals":{"k":"2026-01-01"}}"#, "2026-01-01T00:00:00Z", "2025-12-31T23:59:59Z"),
        (r#"{"Bool":{"k":"true"}}"#, "True", "false"),
        (r#"{"BinaryEquals":{"k":"QmluYXJ5"}}"#, "QmluYXJ5", "qmluyxj5"),
        (r#"{"IpAddress":{"k":["10.0.0.0/8","2001:db8::/32"]}}"#, "2001:db8:1::1", "11.0.0.1"),
        (r#"{"IpAddress":{"k":"0.0.0.0/0"}}"#, "1.2.3.4", "::1"),
        (r#"{"NotIpAddress":{"k":"127.0.0.1"}}"#, "127.0.0.2", "127.0.0.1"),
        (r#"{"ArnEquals":{"k":"arn:aws:s3:::b*"}}"#, "arn:aws:s3:::bucket", "arn:aws:s3:us-east-1::bucket"),
        (r#"{"ArnLike":{"k":"arn:aws:*:::b"}}"#, "arn:aws:s3:::b", "arn:aws:s3:x:::b"),
        (r#"{"ArnNotLike":{"k":"arn:aws:s3:::b"}}"#, "arn:aws:s3:::c", "arn:aws:s3:::b"),
        (r#"{"ArnNotEquals":{"k":"arn:aws:s3:::b"}}"#, "arn:aws:s3:::c", "arn:aws:s3:::b"),
    ] {
        assert!(holds(condition, &[("K", yes)]), "{condition} of {yes}");
        assert!(!holds(condition, &[("k", no)]), "{condition} of {no}");
    }
}

#[test]
fn absent_keys_and_sets() {
    let (one, two, three) = (("k", "1"), ("k", "2"), ("k", "3"));
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], bool);
    let cases: &[Case<'_>] = &[
        (r#"{"StringEquals":{"k":"1"}}"#, &[], false),
        (r#"{"StringNotEquals":{"k":"1"}}"#, &[], true),
        (r#"{"StringEqualsIfExists":{"k":"1"}}"#, &[], true),
        (r#"{"StringEqualsIfExists":{"k":"1"}}"#, &[two], false),
        (r#"{"NumericLessThanIfExists":{"k":"1"}}"#, &[], true),
        (r#"{"Null":{"k":"true"}}"#, &[], true),
        (r#"{"Null":{"k":true}}"#, &[one], false),
        (r#"{"Null":{"k":"false"}}"#, &[one], true),
        (r#"{"Null":{"k":"false"}}"#, &[], false),
        (r#"{"ForAllValues:StringEquals":{"k":["1","2"]}}"#, &[one, two], true),
        (r#"{"ForAllValues:StringEquals":{"k":["1","2"]}}"#, &[one, three], false),
        (r#"{"ForAllValues:StringEquals":{"k":["1","2"]}}"#, &[], true),
        (r#"{"ForAnyValue:StringEquals":{"k":["1","2"]}}"#, &[three, two], true),
        (r#"{"ForAnyValue:StringEquals":{"k":["1","2"]}}"#, &[three], false),
        (r#"{"ForAnyValue:StringEquals":{"k":["1","2"]}}"#, &[], false),
        (r#"{"ForAnyValue:StringEqualsIfExists":{"k":["1","2"]}}"#, &[], true),
        (r#"{"ForAllValues:StringNotEquals":{"k":"1"}}"#, &[two, one], false),
        (r#"{"ForAnyValue:StringNotEquals":{"k":"1"}}"#, &[two, one], true),
        // Every operator and every key has to hold.
        (r#"{"StringEquals":{"k":"1","l":"1"}}"#, &[one], false),
        (r#"{"StringEquals":{"k":"1"},"StringLike":{"l":"*"}}"#, &[one, ("l", "x")], true),
        (r#"{"StringEquals":{"k":"1"},"StringLike":{"l":"*"}}"#, &[one], false),
        // What is known of every caller.
        (r#"{"ArnEquals":{"aws:PrincipalArn":"arn:aws:iam::123456789012:role/worker"}}"#, &[], true),
        // Alone a star is any ARN; within one it ends at the next colon.
        (r#"{"ArnLike":{"k":"*"}}"#, &[("k", "arn:aws:sns:us-east-1:123456789012:t")], true),
        (r#"{"ArnNotLike":{"k":"*"}}"#, &[("k", "arn:aws:sns:us-east-1:123456789012:t")], false),
        (r#"{"ArnLike":{"k":"*"}}"#, &[], false),
        (r#"{"ArnLike":{"k":"arn:*"}}"#, &[("k", "arn:aws:sns:us-east-1:123456789012:t")], false),
        (r#"{"StringEquals":{"aws:PrincipalAccount":"123456789012"}}"#, &[], true),
        (r#"{"StringEquals":{"aws:PrincipalType":"AssumedRole"}}"#, &[], true),
        (r#"{"Bool":{"aws:PrincipalIsAWSService":"false"}}"#, &[], true),
    ];
    for (condition, keys, expected) in cases {
        assert_eq!(holds(condition, keys), *expected, "{condition} of {keys:?}");
    }
}

#[test]
fn elements_have_opposites_and_denials_win() {
    let statement = |elements: &str| format!(r#"{{"Version":"2012-10-17","Statement":[{elements}]}}"#);
    let allow = r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#;
    for (elements, expected) in [
        (allow.to_owned(), Decision::Allow),
        (format!(r#"{allow},{{"Effect":"Deny","Action":"s3:get*","Resource":"*"}}"#), Decision::Deny),
        (format!(r#"{allow},{{"Effect":"Deny","NotAction":"s3:Get*","Resource":"*"}}"#), Decision::Allow),
        (format!(r#"{allow},{{"Effect":"Deny","NotAction":"sqs:*","Resource":"*"}}"#), Decision::Deny),
        (
            format!(r#"{allow},{{"Effect":"Deny","Action":"*","NotResource":"arn:aws:s3:::b/*"}}"#),
            Decision::Allow,
        ),
        (
            r#"{"Effect":"Allow","NotAction":"iam:*","NotResource":"arn:aws:s3:::c/*"}"#.to_owned(),
            Decision::Allow,
        ),
        (r#"{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::c/*"}"#.to_owned(), Decision::Silent),
    ] {
        let decision =
            decide(PolicyKind::Identity, &statement(&elements), "s3:GetObject", "arn:aws:s3:::b/k", &[]);
        assert_eq!(decision, expected, "{elements}");
    }
    let resource = |principal: &str| {
        statement(&format!(r#"{{"Effect":"Allow",{principal},"Action":"lambda:*","Resource":"*"}}"#))
    };
    for (principal, expected) in [
        (r#""Principal":{"AWS":["arn:aws:iam::123456789012:role/path/worker"]}"#, Decision::Allow),
        (r#""NotPrincipal":{"AWS":"arn:aws:iam::123456789012:role/worker"}"#, Decision::Silent),
        (r#""NotPrincipal":{"AWS":"999999999999"}"#, Decision::Allow),
        (r#""Principal":{"Service":"s3.amazonaws.com"}"#, Decision::Silent),
    ] {
        let decision =
            decide(PolicyKind::Resource, &resource(principal), "lambda:InvokeFunction", "arn:x", &[]);
        assert_eq!(decision, expected, "{principal}");
    }
}

#[test]
fn variables_are_values_and_no_patterns() {
    let policy = |version: &str, resource: &str| {
        format!(
            r#"{{"Version":"{version}","Statement":{{"Effect":"Allow","Action":"*","Resource":"{resource}"}}}}"#
        )
    };
    let keys = [("aws:username", "*"), ("aws:PrincipalTag/team", "red")];
    let allowed = |resource: &str, text: &str| {
        decide(PolicyKind::Identity, &policy("2012-10-17", resource), "s3:GetObject", text, &keys)
            == Decision::Allow
    };
    assert!(allowed("arn:aws:s3:::b/${aws:PrincipalTag/team}/*", "arn:aws:s3:::b/red/key"));
    assert!(!allowed("arn:aws:s3:::b/${aws:PrincipalTag/team}/*", "arn:aws:s3:::b/blue/key"));
    assert!(allowed("arn:aws:s3:::b/${aws:username}", "arn:aws:s3:::b/*"));
    assert!(!allowed("arn:aws:s3:::b/${aws:username}", "arn:aws:s3:::b/any"), "a value is no pattern");
    assert!(!allowed("arn:aws:s3:::b/${aws:unknown}*", "arn:aws:s3:::b/"));
    assert!(allowed("arn:aws:s3:::b/${aws:unknown, 'none'}", "arn:aws:s3:::b/none"));
    assert!(allowed("arn:aws:s3:::b/${*}${$}${?}", "arn:aws:s3:::b/*$?"));
    let older = policy("2008-10-17", "arn:aws:s3:::b/${aws:PrincipalTag/team}");
    let access = |text| decide(PolicyKind::Identity, &older, "s3:GetObject", text, &keys);
    assert_eq!(access("arn:aws:s3:::b/red"), Decision::Silent);
    assert_eq!(access("arn:aws:s3:::b/${aws:PrincipalTag/team}"), Decision::Allow);
}

#[test]
fn what_is_no_policy_of_its_kind_is_refused() {
    let trust = r#"{"Version":"2012-10-17","Statement":[{"Sid":"s","Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
    let identity =
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#;
    assert!(Document::parse(trust, PolicyKind::Trust).is_ok());
    assert!(Document::parse(identity, PolicyKind::Identity).is_ok());
    for (kind, from, to, message) in [
        (PolicyKind::Trust, "{\"Version\"", "{\"Version", "This policy contains invalid Json"),
        (PolicyKind::Trust, "2012-10-17", "2012-10-18", "The policy must contain a valid version string"),
        (PolicyKind::Trust, "sts:", "s3:", "AssumeRole policy may only specify STS AssumeRole actions."),
        (PolicyKind::Trust, "\"Action\"", "\"Resource\":\"*\",\"Action\"", "Has prohibited field Resource"),
        (
            PolicyKind::Trust,
            "\"Principal\":{\"Service\":\"lambda.amazonaws.com\"},",
            "",
            "Missing required field Principal",
        ),
        (
            PolicyKind::Trust,
            "lambda.amazonaws.com",
            "lambda",
            "Invalid principal in policy: \"Service\":\"lambda\"",
        ),
        (PolicyKind::Trust, "\"Statement\"", "\"Statements\"", "Missing required field Statement"),
        (PolicyKind::Trust, "Allow", "Permit", "Syntax errors in policy."),
        (PolicyKind::Trust, "\"Sid\"", "\"Foo\"", "Syntax errors in policy."),
        (
            PolicyKind::Trust,
            "\"Sid\":\"s\"",
            "\"Condition\":{\"Equals\":{}}",
            "Invalid Condition type : Equals",
        ),
        (
            PolicyKind::Identity,
            "\"Action\"",
            "\"Principal\":\"*\",\"Action\"",
            "Policy document should not specify a principal.",
        ),
        (PolicyKind::Identity, ",\"Resource\":\"*\"", "", "Policy statement must contain resources."),
        (PolicyKind::Identity, "\"Action\":\"s3:*\",", "", "Policy statement must contain actions."),
        (
            PolicyKind::Identity,
            "s3:*",
            "s3",
            "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
        ),
        (PolicyKind::Identity, "\"*\"", "\"bucket\"", "Resource bucket must be in ARN format or \"*\"."),
        (
            PolicyKind::Identity,
            "\"Effect\"",
            "\"Condition\":{\"DateLessThan\":{\"k\":\"soon\"}},\"Effect\"",
            "'soon' is not a value",
        ),
        (PolicyKind::Identity, "\"Effect\"", "\"Effect\":\"Deny\",\"Effect\"", "Syntax errors in policy."),
    ] {
        let base = if kind == PolicyKind::Trust { trust } else { identity };
        assert!(base.contains(from), "{from}");
        let given = base.replace(from, to);
        let error = Document::parse(&given, kind).expect_err(&given);
        assert!(error.to_string().starts_with(message), "{given}: {error}");
    }
}

#[test]
fn patterns_take_their_time_and_no_more() {
    let pattern = "*a".repeat(2_000);
    assert!(!like(&pattern, &"a".repeat(1_999)));
    assert!(like(&pattern, &"a".repeat(2_000)));
}
