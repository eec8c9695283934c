//! The wording of AWS's validation messages.

#![allow(clippy::unwrap_used, reason = "an unwrap that fails is a test that fails")]

use http::Request;
use lambent_wire::{Call, Error, lambda, logs, violation_message};

fn error<C: Call>(method: &str, uri: &str, headers: &[(&str, &str)], body: &str) -> Option<Error> {
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (parts, ()) = request.body(()).unwrap().into_parts();
    let matched = lambda::SERVICE.route(&parts).unwrap();
    matched.decode::<C>(&parts, body.to_owned().into()).err()
}

fn check<C: Call>(method: &str, uri: &str, headers: &[(&str, &str)], body: &str, expected: &str) {
    let error = error::<C>(method, uri, headers, body).expect("the input breaks a constraint");
    assert_eq!((error.code, error.status.as_u16()), ("ValidationException", 400));
    assert_eq!(error.message, expected);
}

const CONFIGURATION: &str = "/2015-03-31/functions/f/configuration";

/// One member of UpdateFunctionConfiguration that breaks one constraint.
fn check_member(body: &str, expected: &str) {
    let expected = format!("1 validation error detected: {expected}");
    check::<lambda::op::UpdateFunctionConfiguration>("PUT", CONFIGURATION, &[], body, &expected);
}

const FUNCTION_NAME: &str = r"(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?";
const NAMESPACED_NAME: &str = r"(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?";
const QUALIFIER: &str = r"\$(LATEST(\.PUBLISHED)?)|[a-zA-Z0-9-_$]+";
const LAYER: &str = r"((arn:(aws[a-zA-Z-]*)?:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:layer:[a-zA-Z0-9-_]+:[0-9]+)|(arn:[a-zA-Z0-9-]+:lambda:::awslayer:[a-zA-Z0-9-_]+))";

#[test]
fn required_members_are_named_together() {
    check::<lambda::op::CreateFunction>(
        "POST",
        "/2015-03-31/functions",
        &[],
        r#"{"Role":null,"Code":{}}"#,
        "2 validation errors detected: Value null at 'functionName' failed to satisfy constraint: Member must not be \
         null; Value null at 'role' failed to satisfy constraint: Member must not be null",
    );
    check_member(
        r#"{"EphemeralStorage":{}}"#,
        "Value null at 'ephemeralStorage.size' failed to satisfy constraint: Member must not be null",
    );
    check_member(
        r#"{"FileSystemConfigs":[{"LocalMountPath":"/mnt/a"}]}"#,
        "Value null at 'fileSystemConfigs.1.member.arn' failed to satisfy constraint: Member must not be null",
    );
}

#[test]
fn length_range_pattern_and_enum_are_worded_as_aws_words_them() {
    let long = "d".repeat(257);
    check_member(
        &format!(r#"{{"Description":"{long}"}}"#),
        &format!(
            "Value '{long}' at 'description' failed to satisfy constraint: Member must have length less than or equal to 256"
        ),
    );
    check_member(
        r#"{"Timeout":0}"#,
        "Value '0' at 'timeout' failed to satisfy constraint: Member must have value greater than or equal to 1",
    );
    check_member(
        r#"{"CapacityProviderConfig":{"LambdaManagedInstancesCapacityProviderConfig":{"CapacityProviderArn":
            "arn:aws:lambda:us-east-1:000000000000:capacity-provider:c","ExecutionEnvironmentMemoryGiBPerVCpu":9}}}"#,
        "Value '9.0' at 'capacityProviderConfig.lambdaManagedInstancesCapacityProviderConfig.\
         executionEnvironmentMemoryGiBPerVCpu' failed to satisfy constraint: Member must have value less than or equal to 8.0",
    );
    check_member(
        r#"{"Handler":"a b"}"#,
        r"Value 'a b' at 'handler' failed to satisfy constraint: Member must satisfy regular expression pattern: [^\s]+",
    );
    check_member(
        r#"{"KMSKeyArn":"x"}"#,
        "Value 'x' at 'kMSKeyArn' failed to satisfy constraint: Member must satisfy regular expression pattern: \
         (arn:(aws[a-zA-Z-]*)?:[a-z0-9-.]+:.*)|()",
    );
    check_member(
        r#"{"TracingConfig":{"Mode":"Loud"}}"#,
        "Value 'Loud' at 'tracingConfig.mode' failed to satisfy constraint: Member must satisfy enum value set: \
         [Active, PassThrough]",
    );
}

#[test]
fn length_counts_characters() {
    let body = |count| format!(r#"{{"Description":"{}"}}"#, "é".repeat(count));
    let update =
        |body: String| error::<lambda::op::UpdateFunctionConfiguration>("PUT", CONFIGURATION, &[], &body);
    assert!(update(body(256)).is_none());
    assert!(update(body(257)).is_some());
}

#[test]
fn tighter_limits_of_the_service_are_left_to_it() {
    // The service refuses 901 with an error of its own; the model's bound is checked here.
    let update =
        |body: &str| error::<lambda::op::UpdateFunctionConfiguration>("PUT", CONFIGURATION, &[], body);
    assert!(update(r#"{"Timeout":901,"MemorySize":10241,"EphemeralStorage":{"Size":10241}}"#).is_none());
    check_member(
        r#"{"Timeout":5401}"#,
        "Value '5401' at 'timeout' failed to satisfy constraint: Member must have value less than or equal to 5400",
    );
}

#[test]
fn elements_are_reported_at_their_list() {
    check::<lambda::op::UpdateFunctionCode>(
        "PUT",
        "/2015-03-31/functions/f/code",
        &[],
        r#"{"Architectures":["riscv","arm64"]}"#,
        "2 validation errors detected: Value '[riscv, arm64]' at 'architectures' failed to satisfy constraint: Member \
         must have length less than or equal to 1; Value '[riscv, arm64]' at 'architectures' failed to satisfy \
         constraint: Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must \
         not be null]",
    );
    check_member(
        r#"{"Layers":["bad"]}"#,
        &format!(
            "Value '[bad]' at 'layers' failed to satisfy constraint: Member must satisfy constraint: [Member must have \
             length less than or equal to 2048, Member must have length greater than or equal to 1, Member must satisfy \
             regular expression pattern: {LAYER}, Member must not be null]"
        ),
    );
    check_member(
        r#"{"ImageConfig":{"Command":["a",null]}}"#,
        "Value '[a, null]' at 'imageConfig.command' failed to satisfy constraint: Member must satisfy constraint: \
         [Member must not be null]",
    );
    let arn = "arn:aws:elasticfilesystem:us-east-1:000000000000:access-point/fsap-00000000000000000";
    let config = format!(r#"{{"Arn":"{arn}","LocalMountPath":"/mnt/a"}}"#);
    let printed = format!("FileSystemConfig(arn={arn}, localMountPath=/mnt/a, s3FilesConfig=null)");
    check_member(
        &format!(r#"{{"FileSystemConfigs":[{config},{config}]}}"#),
        &format!(
            "Value '[{printed}, {printed}]' at 'fileSystemConfigs' failed to satisfy constraint: Member must have length \
             less than or equal to 1"
        ),
    );
}

#[test]
fn entries_are_reported_at_their_map() {
    let tags = "/2017-03-31/tags/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Af";
    let pattern = r"([\p{L}\p{Z}\p{N}_.:/=+\-@]*)";
    check::<lambda::op::TagResource>(
        "POST",
        tags,
        &[],
        r#"{"Tags":{"":"v","k":"<"}}"#,
        &format!(
            "2 validation errors detected: Value '{{=v, k=<}}' at 'tags' failed to satisfy constraint: Map keys must \
             satisfy constraint: [Member must have length less than or equal to 128, Member must have length greater than \
             or equal to 1, Member must satisfy regular expression pattern: {pattern}, Member must not be null]; Value \
             '{{=v, k=<}}' at 'tags' failed to satisfy constraint: Map value must satisfy constraint: [Member must have \
             length less than or equal to 256, Member must have length greater than or equal to 0, Member must satisfy \
             regular expression pattern: {pattern}, Member must not be null]"
        ),
    );
}

#[test]
fn sensitive_values_are_left_out() {
    check_member(
        r#"{"Environment":{"Variables":{"1":"hush"}}}"#,
        "Value at 'environment.variables' failed to satisfy constraint: Map keys must satisfy constraint: [Member must \
         satisfy regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+, Member must not be null]",
    );
}

#[test]
fn an_empty_query_value_is_a_value_and_comes_before_the_label() {
    check::<lambda::op::GetFunction>(
        "GET",
        "/2015-03-31/functions/f%21?Qualifier=",
        &[],
        "",
        &format!(
            "3 validation errors detected: Value '' at 'qualifier' failed to satisfy constraint: Member must have length \
             greater than or equal to 1; Value '' at 'qualifier' failed to satisfy constraint: Member must satisfy \
             regular expression pattern: {QUALIFIER}; Value 'f!' at 'functionName' failed to satisfy constraint: Member \
             must satisfy regular expression pattern: {NAMESPACED_NAME}"
        ),
    );
}

#[test]
fn length_comes_before_pattern() {
    let name = format!("{}!", "n".repeat(140));
    check::<lambda::op::CreateFunction>(
        "POST",
        "/2015-03-31/functions",
        &[],
        &format!(r#"{{"FunctionName":"{name}","Role":"arn:aws:iam::000000000000:role/r","Code":{{}}}}"#),
        &format!(
            "2 validation errors detected: Value '{name}' at 'functionName' failed to satisfy constraint: Member must have \
             length less than or equal to 140; Value '{name}' at 'functionName' failed to satisfy constraint: Member must \
             satisfy regular expression pattern: {FUNCTION_NAME}"
        ),
    );
}

#[test]
fn headers_and_query_numbers_are_checked() {
    check::<lambda::op::Invoke>(
        "POST",
        "/2015-03-31/functions/f/invocations",
        &[("x-amz-invocation-type", "Whenever")],
        "{}",
        "1 validation error detected: Value 'Whenever' at 'invocationType' failed to satisfy constraint: Member must \
         satisfy enum value set: [Event, RequestResponse, DryRun]",
    );
    check::<lambda::op::ListFunctions>(
        "GET",
        "/2015-03-31/functions?MaxItems=10001",
        &[],
        "",
        "1 validation error detected: Value '10001' at 'maxItems' failed to satisfy constraint: Member must have value \
         less than or equal to 10000",
    );
    check::<lambda::op::UntagResource>(
        "DELETE",
        "/2017-03-31/tags/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Af",
        &[],
        "",
        "1 validation error detected: Value null at 'tagKeys' failed to satisfy constraint: Member must not be null",
    );
}

#[test]
fn the_log_service_has_an_error_of_its_own() {
    let request = Request::post("/").header("x-amz-target", "Logs_20140328.DescribeLogStreams");
    let (parts, ()) = request.body(()).unwrap().into_parts();
    let matched = logs::SERVICE.route(&parts).unwrap();
    let body = r#"{"logGroupName":"a:b"}"#.into();
    let error = matched.decode::<logs::op::DescribeLogStreams>(&parts, body).unwrap_err();
    assert_eq!((error.code, error.status.as_u16()), ("InvalidParameterException", 400));
    let constraint = r"Member must satisfy regular expression pattern: [\.\-_/#A-Za-z0-9]+";
    let violation = violation_message("a:b", "logGroupName", constraint);
    assert_eq!(error.message, format!("1 validation error detected: {violation}"));
}

#[test]
fn a_message_does_not_grow_with_the_request() {
    let configs = vec!["{}"; 10_000].join(",");
    let body = format!(r#"{{"FileSystemConfigs":[{configs}],"Description":"{}"}}"#, "d".repeat(1 << 20));
    let error = error::<lambda::op::UpdateFunctionConfiguration>("PUT", CONFIGURATION, &[], &body).unwrap();
    assert!(error.message.len() < 64 * 1024, "{} bytes", error.message.len());
}
