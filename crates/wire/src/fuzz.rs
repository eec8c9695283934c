//! What clients and other servers send, as targets for fuzzers: bytes in, no panic, and no error but the sender's.

use bytes::Bytes;
use http::request::Parts;

use crate::form::Form;
use crate::overrides::Overrides;
use crate::{
    Call, Error, Matched, Operation, Service, constraint, decode_response, encode_request, events, iam,
    lambda, logs, scheduler, sns, sqs, sts,
};

static SERVICES: [&Service; 8] = [
    &events::SERVICE,
    &iam::SERVICE,
    &lambda::SERVICE,
    &logs::SERVICE,
    &scheduler::SERVICE,
    &sns::SERVICE,
    &sqs::SERVICE,
    &sts::SERVICE,
];

/// A request: its first byte chooses the service, the first line is target or path and query, the rest the body.
pub fn request(bytes: &[u8]) {
    let Some((chosen, rest)) = bytes.split_first() else { return };
    let service = SERVICES[usize::from(*chosen) % SERVICES.len()];
    let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    let (line, body) = (String::from_utf8_lossy(&rest[..end]), rest.get(end + 1..).unwrap_or_default());
    let Some(parts) = parts(service, &line) else { return };
    if let Err(error) = answer(service, &parts, body) {
        assert!(!error.is_server_fault() && error.status.is_client_error(), "{error}");
        let response = service.error_response(&error, "id");
        assert!(response.status().is_client_error() && !response.body().is_empty());
    }
}

/// `METHOD PATH?QUERY`, or `TARGET`.
fn parts(service: &Service, line: &str) -> Option<Parts> {
    let (method, uri) = line.split_once(' ').unwrap_or(("POST", line));
    let mut request = http::Request::builder();
    if service.target_prefix.is_empty() {
        request = request.method(method).uri(if uri.is_empty() { "/" } else { uri });
    } else if service.forms && !line.contains('.') {
        request = request.method("POST").uri("/");
    } else {
        request = request.method("POST").uri("/").header("x-amz-target", line);
    }
    // What is no request to begin with is refused by HTTP's own library.
    request.body(()).ok().map(|request| request.into_parts().0)
}

fn answer(service: &'static Service, parts: &Parts, body: &[u8]) -> Result<(), Error> {
    let matched = match service.dialect(&parts.headers).is_routed_by_body() {
        true => service.route_form(parts, body)?,
        false => service.route(parts)?,
    };
    let operation = matched.operation();
    if !operation.typed {
        return Ok(());
    }
    let tree = matched.gather(operation, parts, body)?;
    constraint::check(&tree, operation.members(), Overrides::of(operation))?;
    typed(&matched, operation, parts, body)
}

/// The operations with the most in their inputs stand for all of their kinds.
fn typed(matched: &Matched, operation: &Operation, parts: &Parts, body: &[u8]) -> Result<(), Error> {
    match operation.name {
        "AssumeRole" => again::<sts::op::AssumeRole>(matched, parts, body),
        "CreateEventSourceMapping" => again::<lambda::op::CreateEventSourceMapping>(matched, parts, body),
        "CreateFunction" => again::<lambda::op::CreateFunction>(matched, parts, body),
        "CreateRole" => again::<iam::op::CreateRole>(matched, parts, body),
        "PutLogEvents" => again::<logs::op::PutLogEvents>(matched, parts, body),
        "PutEvents" => again::<events::op::PutEvents>(matched, parts, body),
        "PublishBatch" => again::<sns::op::PublishBatch>(matched, parts, body),
        "CreateSchedule" => again::<scheduler::op::CreateSchedule>(matched, parts, body),
        "SendMessageBatch" => again::<sqs::op::SendMessageBatch>(matched, parts, body),
        _ => Ok(()),
    }
}

/// What was read is written and read again as the same.
fn again<C: Call>(matched: &Matched, parts: &Parts, body: &[u8]) -> Result<(), Error> {
    let input = matched.decode::<C>(parts, Bytes::copy_from_slice(body))?;
    let as_json = |input: &C::Input| serde_json::to_value(input).expect("inputs are JSON");
    let before = as_json(&input);
    let (parts, body) =
        encode_request::<C>(&input).expect("what came in a request fits into one").into_parts();
    let service = C::OPERATION.service;
    let routed = match service.dialect(&parts.headers).is_routed_by_body() {
        true => service.route_form(&parts, &body),
        false => service.route(&parts),
    };
    let read = routed.and_then(|matched| matched.decode::<C>(&parts, body));
    assert_eq!(as_json(&read.expect("what was written can be read")), before);
    Ok(())
}

/// A response of the query protocol, as a client gets it.
pub fn xml(bytes: &[u8]) {
    let response = |status: u16| {
        let mut response = http::Response::new(Bytes::copy_from_slice(bytes));
        *response.status_mut() = http::StatusCode::from_u16(status).expect("a status");
        response
    };
    // Whether it can be read is the other side's business; that it is decided is ours.
    drop(decode_response::<iam::op::ListRoles>(response(200)));
    drop(decode_response::<iam::op::GetAccountSummary>(response(200)));
    drop(decode_response::<sts::op::AssumeRole>(response(400)));
}

/// A form without an operation.
pub fn form(bytes: &[u8]) {
    let parts = http::Request::new(()).into_parts().0;
    if let Ok(form) = Form::read(&parts, bytes) {
        for operation in iam::SERVICE.operations.iter().filter(|operation| operation.typed) {
            drop(form.tree(operation.members()));
        }
    }
}

/// Inputs to begin with, for [`request`].
#[must_use]
pub fn requests() -> Vec<Vec<u8>> {
    [
        "\0POST /\nAction=CreateRole&Version=2010-05-08&RoleName=r&AssumeRolePolicyDocument=%7B%7D&Tags.member.1.Key=k&\
         Tags.member.1.Value=v&MaxSessionDuration=3600",
        "\0POST /?Action=ListRoles\nVersion=2010-05-08&MaxItems=1&PathPrefix=%2F",
        "\u{1}POST /2015-03-31/functions\n{\"FunctionName\":\"f\",\"Role\":\"arn:aws:iam::000000000000:role/r\",\"Code\":\
         {\"ZipFile\":\"UEs=\"},\"Environment\":{\"Variables\":{\"a\":\"b\"}},\"Layers\":[],\"Timeout\":3}",
        "\u{1}GET /2015-03-31/functions/f%3A1/versions?MaxItems=3&Marker=x\n",
        "\u{1}POST /2015-03-31/event-source-mappings\n{\"FunctionName\":\"f\",\"BatchSize\":1,\"FilterCriteria\":{\"Filters\":\
         [{\"Pattern\":\"{}\"}]},\"StartingPositionTimestamp\":1.5}",
        "\u{2}Logs_20140328.PutLogEvents\n{\"logGroupName\":\"g\",\"logStreamName\":\"s\",\"logEvents\":[{\"timestamp\":1,\
         \"message\":\"m\"}]}",
        "\u{3}POST /\nAction=AssumeRole&RoleArn=arn:aws:iam::000000000000:role/r&RoleSessionName=s&PolicyArns.member.1.arn=\
         arn:aws:iam::aws:policy/A&DurationSeconds=900",
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect()
}

/// Inputs to begin with, for [`form`].
#[must_use]
pub fn forms() -> Vec<Vec<u8>> {
    requests()
        .into_iter()
        .map(|request| request.into_iter().skip_while(|byte| *byte != b'A').collect())
        .collect()
}

/// Inputs to begin with, for [`xml`].
#[must_use]
pub fn documents() -> Vec<Vec<u8>> {
    [
        "<ListRolesResponse xmlns=\"x\"><ListRolesResult><Roles><member><Path>/</Path><RoleName>r</RoleName><CreateDate>\
         2026-01-01T00:00:00Z</CreateDate><MaxSessionDuration>3600</MaxSessionDuration><Tags><member><Key>k</Key><Value/>\
         </member></Tags></member></Roles><IsTruncated>false</IsTruncated></ListRolesResult></ListRolesResponse>",
        "<GetAccountSummaryResponse><GetAccountSummaryResult><SummaryMap><entry><key>Roles</key><value>3</value></entry>\
         </SummaryMap></GetAccountSummaryResult></GetAccountSummaryResponse>",
        "<?xml version=\"1.0\"?><!-- c --><ErrorResponse><Error><Type>Sender</Type><Code>A&amp;B</Code><Message>&#x41;<![CDATA[<]]>\
         </Message></Error><RequestId>1</RequestId></ErrorResponse>",
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect()
}

#[cfg(test)]
mod tests {
    use lambent_testkit::campaign;

    #[test]
    fn no_request_breaks_a_decoder() {
        campaign(&super::requests(), super::request);
    }

    #[test]
    fn no_form_breaks_the_query_protocol() {
        campaign(&super::forms(), super::form);
    }

    #[test]
    fn no_response_breaks_a_client() {
        campaign(&super::documents(), super::xml);
    }
}
