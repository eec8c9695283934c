//! Whole commands against a server on loopback whose answers are written after AWS's.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use lambent_model::{Clock, Timestamp};
use serde_json::{Value, json};

use super::*;
use crate::testing::FakeServer;
use crate::{Captured, parse_from};

const ARN: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";

/// 2026-01-31T12:00:00Z, always.
struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_769_860_800_000)
    }
}

fn client_of(server: &FakeServer) -> Client {
    let settings = Settings { endpoint: server.endpoint(), ..Settings::default() };
    Client::new(settings, Arc::new(FixedClock))
}

/// Runs a command line; exit code, standard output, standard error.
async fn run_line(server: &FakeServer, line: &[&str]) -> (ExitCode, String, String) {
    let cli = parse_from([&["lambent"], line].concat()).expect("the line is right");
    let crate::Command::Client(command) = cli.command else { panic!("no client command") };
    let (terminal, out, err): (Terminal, Captured, Captured) = Terminal::captured(cli.global.json);
    let default_runtime = |_| Some("python3.13".to_owned());
    let code = run_with(&client_of(server), command, &terminal, &default_runtime).await;
    (code, out.text(), err.text())
}

fn answer(status: u16, body: &Value) -> Response<Bytes> {
    Response::builder().status(status).body(Bytes::from(body.to_string())).unwrap()
}

fn refusal(status: u16, code: &str, message: &str) -> Response<Bytes> {
    let mut response = answer(status, &json!({ "Type": "User", "Message": message }));
    response.headers_mut().insert("x-amzn-errortype", code.parse().unwrap());
    response
}

fn not_found() -> Response<Bytes> {
    refusal(404, "ResourceNotFoundException", &format!("Function not found: {ARN}"))
}

/// `METHOD path?query` of each request.
fn lines(server: &FakeServer) -> Vec<String> {
    let line = |request: &Request<Bytes>| {
        format!("{} {}", request.method(), request.uri().path_and_query().expect("requests have a path"))
    };
    server.requests().iter().map(line).collect()
}

/// A folder with a Python function, gone with the test.
struct Folder(PathBuf);

impl Folder {
    fn python(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("lambent-cli-deploy-{name}-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        fs::write(path.join("lambda_function.py"), "def lambda_handler(event, context): return event")
            .unwrap();
        Self(path)
    }
    fn path(&self) -> &str {
        Path::to_str(&self.0).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn configuration(state: &str, update: Option<&str>) -> Value {
    json!({
        "FunctionName": "f", "FunctionArn": ARN, "Runtime": "python3.13",
        "Handler": "lambda_function.lambda_handler", "State": state, "LastUpdateStatus": update,
    })
}

#[tokio::test]
async fn deploy_creates_and_waits_until_active() {
    let folder = Folder::python("create");
    let server = FakeServer::start(|request, before| match (request.method().as_str(), before) {
        ("GET", 0) => not_found(),
        ("POST", 1) => answer(201, &configuration("Pending", None)),
        ("GET", 2) => answer(200, &configuration("Pending", None)),
        ("GET", 3) => answer(200, &configuration("Active", Some("Successful"))),
        _ => answer(500, &json!({})),
    })
    .await;
    let line = ["deploy", folder.path(), "--name", "f", "--env", "A=1", "--timeout", "9"];
    let (code, out, err) = run_line(&server, &line).await;
    assert_eq!((code, out), (ExitCode::Ok, format!("{ARN}\n")), "{err}");
    let expected = format!(
        "packed 1 file, 1 kB zipped\ncreated f: python3.13, handler lambda_function.lambda_handler\n\
         next: lambent invoke f --payload '{{}}' --endpoint http://{}\n",
        server.endpoint()
    );
    assert_eq!(err, expected);
    let get = "GET /2015-03-31/functions/f/configuration";
    assert_eq!(lines(&server), [get, "POST /2015-03-31/functions", get, get]);
    let requests = server.requests();
    let mut body: Value = serde_json::from_slice(requests[1].body()).unwrap();
    assert!(body["Code"]["ZipFile"].take().as_str().unwrap().starts_with("UEsD"), "no zip archive in base64");
    let expected = json!({
        "FunctionName": "f", "Runtime": "python3.13", "Handler": "lambda_function.lambda_handler",
        "Role": "arn:aws:iam::000000000000:role/lambent", "Code": { "ZipFile": null },
        "Timeout": 9, "Environment": { "Variables": { "A": "1" } },
    });
    assert_eq!(body, expected);
    let authorization = requests[1].headers()["authorization"].to_str().unwrap();
    let scope = "AWS4-HMAC-SHA256 Credential=test/20260131/us-east-1/lambda/aws4_request, SignedHeaders=";
    assert!(authorization.starts_with(scope), "{authorization}");
}

#[tokio::test]
async fn deploy_updates_code_then_configuration() {
    let folder = Folder::python("update");
    // The third request looks while the new code is still being taken over.
    let server = FakeServer::start(|request, before| match (request.method().as_str(), before) {
        ("GET", 2) => answer(200, &configuration("Active", Some("InProgress"))),
        ("GET", _) => answer(200, &configuration("Active", Some("Successful"))),
        _ => answer(200, &configuration("Active", Some("InProgress"))),
    })
    .await;
    let line = ["deploy", folder.path(), "--name", "f", "--memory", "256", "--json"];
    let (code, out, err) = run_line(&server, &line).await;
    assert_eq!(code, ExitCode::Ok, "{err}");
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["Action"], "updated");
    let get = "GET /2015-03-31/functions/f/configuration";
    let put_code = "PUT /2015-03-31/functions/f/code";
    let put_configuration = "PUT /2015-03-31/functions/f/configuration";
    assert_eq!(lines(&server), [get, put_code, get, get, put_configuration, get]);
    let body: Value = serde_json::from_slice(server.requests()[4].body()).unwrap();
    assert_eq!(body, json!({ "MemorySize": 256 }));
}

#[tokio::test]
async fn deploy_tells_why_creation_failed() {
    let folder = Folder::python("failed");
    let server = FakeServer::start(|_, before| match before {
        0 => not_found(),
        1 => answer(201, &configuration("Pending", None)),
        _ => {
            let mut failed = configuration("Failed", None);
            failed["StateReason"] = json!("the package is broken");
            answer(200, &failed)
        }
    })
    .await;
    let (code, out, err) = run_line(&server, &["deploy", folder.path(), "--name", "f"]).await;
    assert_eq!((code, out.as_str()), (ExitCode::Failed, ""));
    assert!(err.ends_with("error: f is in state Failed: the package is broken\n"), "{err}");
}

fn invoked(headers: &[(&'static str, &str)], payload: &'static [u8]) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(payload));
    for (name, value) in headers {
        response.headers_mut().insert(*name, value.parse().unwrap());
    }
    response
}

#[tokio::test]
async fn invoke_passes_bytes_through_and_sums_up() {
    let report = r#"{"durationMs":1.25,"billedDurationMs":2,"initDurationMs":61.5,"maxMemoryUsedMB":31}"#;
    let server = FakeServer::start(move |_, _| {
        let headers = [
            ("x-amz-executed-version", "$LATEST"),
            ("x-amzn-requestid", "8f5e"),
            ("x-lambent-report", report),
            ("x-amz-log-result", "U1RBUlQK"),
        ];
        invoked(&headers, b"{\"a\":\xff 1}")
    })
    .await;
    let line = ["invoke", "f", "--payload", "{\"k\":1}", "--qualifier", "live", "--client-context", "{}"];
    let (code, out, err) = run_line(&server, &line).await;
    assert_eq!((code, out.as_str()), (ExitCode::Ok, "{\"a\":\u{fffd} 1}"), "{err}");
    let begin = "ok · duration 1.25 ms · init 61.5 ms · billed 2 ms · memory 31 MB · round trip ";
    assert!(err.starts_with(begin) && err.ends_with(" · version $LATEST · request 8f5e\n"), "{err}");
    assert_eq!(lines(&server), ["POST /2015-03-31/functions/f/invocations?Qualifier=live"]);
    let requests = server.requests();
    assert_eq!(requests[0].body().as_ref(), b"{\"k\":1}");
    assert_eq!(requests[0].headers()["x-amz-log-type"], "Tail");
    assert_eq!(requests[0].headers()["x-amz-client-context"], "e30=");

    let (_, _, err) = run_line(&server, &["invoke", "f", "--tail"]).await;
    assert!(err.starts_with("START\nok · "), "{err}");
}

#[tokio::test]
async fn function_error_has_its_own_exit_code_and_shows_the_log() {
    let server = FakeServer::start(|_, _| {
        invoked(
            &[("x-amz-function-error", "Unhandled"), ("x-amz-log-result", "Ym9vbQo=")],
            b"{\"errorType\":\"E\"}",
        )
    })
    .await;
    let (code, out, err) = run_line(&server, &["invoke", "f"]).await;
    assert_eq!((code, out.as_str()), (ExitCode::FunctionError, "{\"errorType\":\"E\"}"));
    assert!(err.starts_with("boom\nfunction error (Unhandled) · round trip "), "{err}");

    let (code, out, _) = run_line(&server, &["invoke", "f", "--json"]).await;
    let document: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(code, ExitCode::FunctionError);
    assert_eq!((&document["Payload"]["errorType"], &document["LogTail"]), (&json!("E"), &json!("boom\n")));
}

#[tokio::test]
async fn refusals_keep_the_servers_words_and_choose_the_exit_code() {
    let throttled = || refusal(429, "TooManyRequestsException", "Rate Exceeded.");
    let page = || Response::builder().status(404).body(Bytes::from_static(b"<html>")).unwrap();
    type Case = (fn() -> Response<Bytes>, ExitCode, String);
    let cases: [Case; 3] = [
        (
            not_found,
            ExitCode::NotFound,
            format!(
                "error: Function not found: {ARN} (ResourceNotFoundException)\n\"lambent functions\" lists the functions of \
         this account and region\n"
            ),
        ),
        (throttled, ExitCode::Failed, "error: Rate Exceeded. (TooManyRequestsException)\n".to_owned()),
        (
            page,
            ExitCode::Failed,
            "does not answer as AWS does; is it a Lambent server?: 404: Not Found\n".to_owned(),
        ),
    ];
    for (respond, expected_code, expected) in cases {
        let server = FakeServer::start(move |_, _| respond()).await;
        let (code, _, err) = run_line(&server, &["invoke", "f"]).await;
        assert_eq!(code, expected_code, "{err}");
        assert!(err.ends_with(&expected), "{err}");
    }
}

#[tokio::test]
async fn payload_comes_from_a_file_and_faults_are_named() {
    let server = FakeServer::start(|_, _| invoked(&[], b"null")).await;
    let folder = Folder::python("payload");
    let event = folder.0.join("event.json");
    fs::write(&event, "[1]").unwrap();
    let argument = format!("@{}", event.display());
    let (code, out, _) = run_line(&server, &["invoke", "f", "-p", &argument]).await;
    assert_eq!((code, out.as_str()), (ExitCode::Ok, "null"));
    assert_eq!(server.requests()[0].body().as_ref(), b"[1]");

    fs::write(&event, vec![b' '; 6 * 1024 * 1024 + 1]).unwrap();
    let (code, _, err) = run_line(&server, &["invoke", "f", "-p", &argument]).await;
    assert_eq!(code, ExitCode::Failed);
    assert!(err.contains("the payload has more than 6291456 bytes"), "{err}");
    let (code, _, err) = run_line(&server, &["invoke", "f", "-p", "@/absent/event.json"]).await;
    assert_eq!(code, ExitCode::Failed);
    assert!(err.starts_with("error: cannot read the payload from /absent/event.json: No such file"), "{err}");
    let (code, _, _) = run_line(&server, &["invoke", "f", "--client-context", "{"]).await;
    assert_eq!((code, server.requests().len()), (ExitCode::Usage, 1));
}

#[tokio::test]
async fn functions_are_listed_over_all_pages() {
    let server = FakeServer::start(|request, _| {
        let function = |name: &str| {
            json!({ "FunctionName": name, "Runtime": "python3.13", "MemorySize": 128, "Timeout": 3,
                "LastModified": "2026-01-31T12:00:00.000+0000" })
        };
        match request.uri().query() {
            None => answer(200, &json!({ "Functions": [function("a")], "NextMarker": "m/1" })),
            Some("Marker=m%2F1") => answer(200, &json!({ "Functions": [function("long-name")] })),
            Some(other) => panic!("unexpected {other}"),
        }
    })
    .await;
    let (code, out, _) = run_line(&server, &["functions"]).await;
    let expected = "\
NAME       RUNTIME     MEMORY  TIMEOUT  MODIFIED
a          python3.13  128 MB  3 s      2026-01-31T12:00:00.000+0000
long-name  python3.13  128 MB  3 s      2026-01-31T12:00:00.000+0000
";
    assert_eq!((code, out.as_str()), (ExitCode::Ok, expected));
    let (_, out, _) = run_line(&server, &["functions", "--json"]).await;
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["Functions"][1]["FunctionName"], "long-name");
}

/// FilterLogEvents answers `pages` in turn, GetFunctionConfiguration a function with a log group of its own.
async fn log_server(pages: Vec<Response<Bytes>>) -> FakeServer {
    let pages = std::sync::Mutex::new(pages.into_iter());
    FakeServer::start(move |request, _| match request.headers().get("x-amz-target") {
        None => {
            let mut function = configuration("Active", None);
            function["LoggingConfig"] = json!({ "LogFormat": "Text", "LogGroup": "/my/group" });
            answer(200, &function)
        }
        Some(target) => {
            assert_eq!(target, "Logs_20140328.FilterLogEvents");
            pages.lock().unwrap().next().expect("no more pages are asked for")
        }
    })
    .await
}

fn events(events: &[(i64, &str, &str)], next: Option<&str>) -> Response<Bytes> {
    let event = |(at, id, message): &(i64, &str, &str)| json!({ "timestamp": at, "eventId": id, "message": message, "logStreamName": "s" });
    answer(200, &json!({ "events": events.iter().map(event).collect::<Vec<_>>(), "nextToken": next }))
}

#[tokio::test]
async fn logs_are_printed_over_all_pages() {
    let at = 1_769_860_790_000;
    let server = log_server(vec![
        events(&[(at, "1", "START\n"), (at + 1, "2", "hello")], Some("t")),
        events(&[(at + 2, "3", "END\n")], None),
    ])
    .await;
    let (code, out, err) = run_line(&server, &["logs", "f", "--since", "1h"]).await;
    let expected = "\
2026-01-31T11:59:50.000Z  START
2026-01-31T11:59:50.001Z  hello
2026-01-31T11:59:50.002Z  END
";
    assert_eq!((code, out.as_str()), (ExitCode::Ok, expected), "{err}");
    let body = |index: usize| serde_json::from_slice::<Value>(server.requests()[index].body()).unwrap();
    assert_eq!(body(1), json!({ "logGroupName": "/my/group", "startTime": 1_769_857_200_000_i64 }));
    assert_eq!(body(2)["nextToken"], "t");
}

#[tokio::test]
async fn following_prints_each_event_once_and_waits_for_the_group() {
    let at = 1_769_860_800_000;
    let absent = || refusal(400, "ResourceNotFoundException", "The specified log group does not exist.");
    let server = log_server(vec![
        absent(),
        events(&[(at, "1", "a")], None),
        events(&[(at, "1", "a"), (at, "2", "b")], None),
        answer(500, &json!({ "__type": "ServiceUnavailableException", "message": "stop" })),
    ])
    .await;
    let (code, out, err) = run_line(&server, &["logs", "f", "--follow"]).await;
    assert_eq!((code, err.as_str()), (ExitCode::Failed, "error: stop (ServiceUnavailableException)\n"));
    assert_eq!(out, "2026-01-31T12:00:00.000Z  a\n2026-01-31T12:00:00.000Z  b\n");
}

#[tokio::test]
async fn absent_log_is_no_error_for_a_function_that_exists() {
    let absent = || refusal(400, "ResourceNotFoundException", "The specified log group does not exist.");
    let server = log_server(vec![absent(), absent()]).await;
    let (code, _, err) = run_line(&server, &["logs", "f"]).await;
    assert_eq!((code, err.as_str()), (ExitCode::Ok, "f has written no log yet\n"));
    let (code, _, _) = run_line(&server, &["logs", "/my/group"]).await;
    assert_eq!(code, ExitCode::NotFound);
}

#[test]
fn commands_may_run_in_a_task_of_the_server() {
    fn assert_send<T: Send>(_: &T) {}
    let (terminal, _, _) = Terminal::captured(false);
    let client = Client::new(Settings::default(), Arc::new(FixedClock));
    let default_runtime = |_| None;
    assert_send(&run_with(&client, ClientCommand::Functions, &terminal, &default_runtime));
    assert_send(&crate::demo(&client, &[], &terminal));
}
