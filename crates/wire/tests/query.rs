//! The query protocol: forms in, XML out (Smithy: "AWS query protocol").

#![allow(clippy::unwrap_used, reason = "an unwrap that fails is a test that fails")]

use bytes::Bytes;
use http::request::Parts;
use lambent_model::Timestamp;
use lambent_wire::{ClientError, DateTime, Empty, Error, common, decode_response, encode, iam, sts};

const REQUEST_ID: &str = "6b1ee0a5-0000-4000-8000-000000000001";

fn parts(uri: &str) -> Parts {
    http::Request::builder().method("POST").uri(uri).body(()).unwrap().into_parts().0
}

fn create(form: &str) -> Result<iam::CreateRoleRequest, Error> {
    let (parts, body) = (parts("/"), Bytes::copy_from_slice(form.as_bytes()));
    iam::SERVICE.route_form(&parts, &body)?.decode::<iam::op::CreateRole>(&parts, body)
}

const CREATE: &str = "Action=CreateRole&Version=2010-05-08&RoleName=r&AssumeRolePolicyDocument=%7B%7D";

#[test]
fn forms_become_inputs() {
    let form = format!(
        "{CREATE}&Description=a+b%26c&MaxSessionDuration=3600&Tags.member.2.Key=k2&Tags.member.2.Value=&\
         Tags.member.1.Key=k1&Tags.member.1.Value=v1&Unknown.member.7=x"
    );
    let input = create(&form).unwrap();
    assert_eq!((input.role_name.as_str(), input.description.as_deref()), ("r", Some("a b&c")));
    assert_eq!(input.max_session_duration, Some(3600));
    let tags: Vec<_> = input.tags.unwrap().into_iter().map(|tag| (tag.key, tag.value)).collect();
    assert_eq!(tags, [("k1".to_owned(), "v1".to_owned()), ("k2".to_owned(), String::new())]);
    assert_eq!(create(&format!("{CREATE}&Tags=")).unwrap().tags, Some(Vec::new()));
    assert_eq!(create(CREATE).unwrap().tags, None);
    // What is in the query string is a part of the form.
    let parts = parts("/?Action=GetCallerIdentity&Version=2011-06-15");
    assert_eq!(sts::SERVICE.route(&parts).unwrap().operation().name, "GetCallerIdentity");
}

#[test]
fn forms_that_cannot_be_read_are_the_clients_mistake() {
    for (form, code, status) in [
        ("", "MissingAction", 400),
        ("Action=Nothing&Version=2010-05-08", "InvalidAction", 400),
        ("Action=CreateRole&Version=2011-06-15", "InvalidAction", 400),
        ("Action=%ff", "MalformedInput", 400),
        (&*format!("{CREATE}&Tags.member.x.Key=k"), "MalformedInput", 400),
        (&*format!("{CREATE}&Tags.member.99999999999999.Key=k"), "MalformedInput", 400),
        (&*format!("{CREATE}&Tags.member.1=k"), "ValidationError", 400),
        (&*format!("{CREATE}&RoleName.member.1=k&Description.x=y"), "MalformedInput", 400),
        (&*format!("{CREATE}&MaxSessionDuration=long"), "MalformedInput", 400),
        (&*format!("{CREATE}{}", "&a=b".repeat(10_000)), "MalformedInput", 400),
    ] {
        let response = iam::SERVICE.error_response(&create(form).unwrap_err(), REQUEST_ID);
        let body = std::str::from_utf8(response.body()).unwrap();
        assert!(body.contains(&format!("<Code>{code}</Code>")), "{form}: {body}");
        assert_eq!(response.status().as_u16(), status, "{form}");
    }
    let error = create("Action=CreateRole&Version=2010-05-08&RoleName=").unwrap_err();
    assert_eq!(
        error.message,
        "3 validation errors detected: Value '' at 'roleName' failed to satisfy constraint: Member must have length \
         greater than or equal to 1; Value '' at 'roleName' failed to satisfy constraint: Member must satisfy regular \
         expression pattern: [\\w+=,.@-]+; Value null at 'assumeRolePolicyDocument' failed to satisfy constraint: Member \
         must not be null"
    );
}

fn role() -> iam::Role {
    iam::Role {
        path: Some("/".to_owned()),
        role_name: Some("r".to_owned()),
        role_id: Some("AROA".to_owned()),
        arn: Some("arn:aws:iam::000000000000:role/r".to_owned()),
        create_date: Some(DateTime(Timestamp::from_millis(1_767_225_600_000))),
        description: Some("a <b> & \"c\"\r\n\u{7}".to_owned()),
        max_session_duration: Some(3600),
        tags: Some(vec![iam::Tag { key: "k".to_owned(), value: String::new() }]),
        ..Default::default()
    }
}

#[test]
fn outputs_are_xml_that_a_client_reads_back() {
    let output = iam::GetRoleResponse { role: Some(role()) };
    let response = encode::<iam::op::GetRole>(&output, REQUEST_ID);
    assert_eq!(response.headers()["content-type"], "text/xml");
    assert_eq!(
        std::str::from_utf8(response.body()).unwrap(),
        format!(
            "<GetRoleResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><GetRoleResult><Role><Path>/</Path>\
             <RoleName>r</RoleName><RoleId>AROA</RoleId><Arn>arn:aws:iam::000000000000:role/r</Arn>\
             <CreateDate>2026-01-01T00:00:00Z</CreateDate><Description>a &lt;b&gt; &amp; &quot;c&quot;&#xD;\n\u{fffd}\
             </Description><MaxSessionDuration>3600</MaxSessionDuration><Tags><member><Key>k</Key><Value></Value></member>\
             </Tags></Role></GetRoleResult><ResponseMetadata><RequestId>{REQUEST_ID}</RequestId></ResponseMetadata>\
             </GetRoleResponse>\n"
        )
    );
    let read = decode_response::<iam::op::GetRole>(response).unwrap();
    let expected = iam::Role { description: Some("a <b> & \"c\"\r\n\u{fffd}".to_owned()), ..role() };
    assert_eq!(read.role, Some(expected));
    let summary = [("Roles".to_owned(), 3)].into_iter().collect();
    let output = iam::GetAccountSummaryResponse { summary_map: Some(summary) };
    let response = encode::<iam::op::GetAccountSummary>(&output, REQUEST_ID);
    let body = String::from_utf8(response.body().to_vec()).unwrap();
    assert!(
        body.contains("<SummaryMap><entry><key>Roles</key><value>3</value></entry></SummaryMap>"),
        "{body}"
    );
    assert_eq!(decode_response::<iam::op::GetAccountSummary>(response).unwrap(), output);
    // Without an output there is no result, and a list is there when it is empty.
    let response = encode::<iam::op::DeleteRole>(&Empty {}, REQUEST_ID);
    assert!(response.body().starts_with(b"<DeleteRoleResponse xmlns="));
    assert_eq!(decode_response::<iam::op::DeleteRole>(response).unwrap(), Empty {});
    let none = iam::ListRolesResponse { roles: Some(Vec::new()), is_truncated: Some(false), marker: None };
    let response = encode::<iam::op::ListRoles>(&none, REQUEST_ID);
    assert_eq!(decode_response::<iam::op::ListRoles>(response).unwrap(), none);
}

#[test]
fn errors_are_xml_with_the_protocols_own_codes() {
    let not_offered =
        iam::SERVICE.operations.iter().find(|operation| operation.name == "CreateGroup").unwrap();
    for (error, code, kind, status) in [
        (iam::error::no_such_entity_exception("a & b"), "NoSuchEntity", "Sender", 404),
        (common::access_denied("no"), "AccessDenied", "Sender", 403),
        (common::invalid_signature("no"), "SignatureDoesNotMatch", "Sender", 403),
        (common::unrecognized_client("no"), "InvalidClientTokenId", "Sender", 403),
        (not_offered.not_offered(), "NotImplementedException", "Receiver", 501),
    ] {
        let response = iam::SERVICE.error_response(&error, REQUEST_ID);
        assert_eq!(response.status().as_u16(), status, "{code}");
        let body = std::str::from_utf8(response.body()).unwrap();
        assert!(body.starts_with(&format!(
            "<ErrorResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><Error><Type>{kind}</Type><Code>{code}</Code>"
        )), "{body}");
        let Err(ClientError::Service { code: read, message, request_id, .. }) =
            decode_response::<iam::op::GetRole>(response)
        else {
            panic!("{code} reads as an output")
        };
        assert_eq!((read.as_str(), message, request_id.as_deref()), (code, error.message, Some(REQUEST_ID)));
    }
}

#[test]
fn what_is_no_xml_is_named() {
    for body in ["", "nothing", "<a>", "<a></b>", "&x;", &"<a>".repeat(100)] {
        let response = http::Response::new(Bytes::copy_from_slice(body.as_bytes()));
        let read = decode_response::<iam::op::GetRole>(response);
        assert!(matches!(read, Err(ClientError::Malformed { .. })), "{body}: {read:?}");
    }
}
