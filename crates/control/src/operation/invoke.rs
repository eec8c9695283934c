//! `Invoke`. A synchronous one is the hot path: no store access, no copy of the payload.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response};
use lambent_lambda::limits;
use lambent_model::{Completed, Invocation, Outcome, Report, RequestId, Target, trace};
use lambent_wire::lambda::{self, op, types as t};
use lambent_wire::{Error, common};
use serde::de::IgnoredAny;

use crate::apart::apart;
use crate::refuse;
use crate::request::{Context, INVOKE};

pub(super) const TRACE_ID: HeaderName = HeaderName::from_static("x-amzn-trace-id");
/// Our own: the figures of the REPORT line, so that no client has to trust a line that the function may have printed.
const REPORT: HeaderName = HeaderName::from_static("x-lambent-report");

pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::InvocationRequest,
) -> Result<Response<Bytes>, Error> {
    let target = context.target(&input.function_name, input.qualifier.as_deref(), INVOKE).await?;
    match input.invocation_type {
        None | Some(t::InvocationType::RequestResponse) => synchronous(context, input, target).await,
        Some(t::InvocationType::DryRun) => {
            let checked = context.control.parts.invoke.check(&target, input.tenant_id.as_deref()).await;
            checked.map_err(|error| refuse::invoke(&error, &target.qualified()))?;
            let output = t::InvocationResponse { status_code: Some(204), ..t::InvocationResponse::default() };
            Ok(lambent_wire::encode::<op::Invoke>(&output, context.request_id))
        }
        Some(_) => event(context, input, target).await,
    }
}

async fn synchronous(
    context: &Context<'_>,
    input: t::InvocationRequest,
    target: Target,
) -> Result<Response<Bytes>, Error> {
    let invoke = &context.control.parts.invoke;
    let qualified = target.qualified();
    let invocation = Arc::new(invocation(context, input, &target, Limit::SYNCHRONOUS)?);
    let trace_id = invocation.trace_id.clone();
    let invoked =
        invoke.invoke(target, invocation).await.map_err(|error| refuse::invoke(&error, &qualified))?;
    let Completed { outcome, report, log_tail } = invoked.completed;
    let (payload, function_error) = match outcome {
        Outcome::Success(body) => (body, None),
        // "Unhandled" for what was caught and for what was not; "Handled" is history.
        Outcome::Failed(failure) => (failure.body, Some("Unhandled".to_owned())),
        Outcome::Platform(reason) => return Err(lambda::error::service_exception(reason)),
        Outcome::NotRestored(fault) => return Err(refuse::restore(fault)),
    };
    let output = t::InvocationResponse {
        status_code: Some(200),
        function_error,
        log_result: log_tail.map(|tail| STANDARD.encode(tail)),
        payload: Some(payload.into()),
        executed_version: Some(invoked.executed_version),
        ..t::InvocationResponse::default()
    };
    let mut response = lambent_wire::encode::<op::Invoke>(&output, context.request_id);
    insert(&mut response, TRACE_ID, &trace_id);
    if let Some(report) = report {
        insert(&mut response, REPORT, &report_header(&report));
    }
    Ok(response)
}

/// Answers when the event is on the disk. Whether the function can take it is asked before; that it does is told to nobody
/// but its log and its destinations.
async fn event(
    context: &Context<'_>,
    input: t::InvocationRequest,
    target: Target,
) -> Result<Response<Bytes>, Error> {
    let invocation = invocation(context, input, &target, Limit::EVENT)?;
    let trace_id = invocation.trace_id.clone();
    accept(context, target, invocation).await?;
    let output = t::InvocationResponse { status_code: Some(202), ..t::InvocationResponse::default() };
    let mut response = lambent_wire::encode::<op::Invoke>(&output, context.request_id);
    insert(&mut response, TRACE_ID, &trace_id);
    Ok(response)
}

/// Keeps an event for a function that is there.
pub(super) async fn accept(
    context: &Context<'_>,
    target: Target,
    invocation: Invocation,
) -> Result<(), Error> {
    let parts = &context.control.parts;
    let checked = parts.invoke.check(&target, invocation.tenant_id.as_deref()).await;
    checked.map_err(|error| refuse::invoke(&error, &target.qualified()))?;
    let accepted = parts.events.accept(target, invocation).await;
    accepted.map_err(|error| lambda::error::service_exception(error.to_string()))
}

/// How large an event may be.
#[derive(Clone, Copy)]
pub(super) struct Limit {
    kind: &'static str,
    bytes: usize,
}

impl Limit {
    pub(super) const SYNCHRONOUS: Self = Self { kind: "RequestResponse", bytes: limits::SYNC_PAYLOAD_BYTES };
    pub(super) const EVENT: Self = Self { kind: "Event", bytes: limits::EVENT_PAYLOAD_BYTES };
}

/// What the function is to be given.
pub(super) fn invocation(
    context: &Context<'_>,
    input: t::InvocationRequest,
    target: &Target,
    limit: Limit,
) -> Result<Invocation, Error> {
    refuse_not_yet(&input)?;
    let payload = check_payload(input.payload, limit)?;
    let client_context = input.client_context.as_deref().map(decode_client_context).transpose()?;
    let request_id: RequestId =
        context.request_id.parse().map_err(|_| common::internal_failure("the request id is not a UUID"))?;
    let parts = &context.control.parts;
    let new_trace = || trace::new_id(&*parts.entropy, parts.clock.now());
    Ok(Invocation {
        request_id,
        payload,
        // The qualifier is part of it only when the caller gave one.
        invoked_arn: match &target.qualifier {
            Some(_) => target.qualified(),
            None => target.function.to_string(),
        },
        trace_id: context.trace_id.map_or_else(new_trace, str::to_owned),
        client_context,
        tenant_id: input.tenant_id,
        tail: input.log_type == Some(t::LogType::Tail),
    })
}

fn refuse_not_yet(input: &t::InvocationRequest) -> Result<(), Error> {
    if input.durable_execution_name.is_some() {
        return Err(refuse::invalid(
            "DurableExecutionName is for durable functions, which lambent does not support yet; see \
             docs/compatibility.md",
        ));
    }
    Ok(())
}

/// Any JSON value will do; nothing at all means `{}`.
fn check_payload(payload: Option<lambent_wire::Blob>, limit: Limit) -> Result<Bytes, Error> {
    let payload = payload.map(lambent_wire::Blob::into_bytes).unwrap_or_default();
    if payload.is_empty() {
        return Ok(Bytes::from_static(b"{}"));
    }
    if payload.len() > limit.bytes {
        return Err(lambda::error::request_too_large_exception(format!(
            "{} byte payload is too large for the {} invocation type (limit {} bytes)",
            payload.len(),
            limit.kind,
            limit.bytes
        )));
    }
    match apart(payload.len(), || check_json(&payload)) {
        Ok(()) => Ok(payload),
        Err(error) => Err(lambda::error::invalid_request_content_exception(format!(
            "Could not parse request body into json: Could not parse payload into json: {error}"
        ))),
    }
}

/// Bytes first: a value that is skipped is not checked for being UTF-8, which JSON is (RFC 8259, section 8.1).
fn check_json(payload: &[u8]) -> Result<(), String> {
    let text = std::str::from_utf8(payload).map_err(|error| error.to_string())?;
    serde_json::from_str::<IgnoredAny>(text).map(|_| ()).map_err(|error| error.to_string())
}

fn decode_client_context(text: &str) -> Result<String, Error> {
    let invalid = || {
        lambda::error::invalid_request_content_exception(
            "Client context must be a valid Base64-encoded JSON object.",
        )
    };
    if text.len() > limits::CLIENT_CONTEXT_LENGTH {
        return Err(lambda::error::invalid_request_content_exception(format!(
            "Client context exceeds the limit of {} bytes.",
            limits::CLIENT_CONTEXT_LENGTH
        )));
    }
    let json = STANDARD.decode(text).map_err(|_| invalid())?;
    let value: serde_json::Map<_, _> = serde_json::from_slice(&json).map_err(|_| invalid())?;
    let text = String::from_utf8(json).map_err(|_| invalid())?;
    // As it is, in the order of its keys; written anew where its line breaks do not fit into the runtime's header.
    Ok(if text.contains(char::is_control) { serde_json::Value::Object(value).to_string() } else { text })
}

fn report_header(report: &Report) -> String {
    let millis = |duration: std::time::Duration| (duration.as_secs_f64() * 100_000.0).round() / 100.0;
    // Numbers alone, written in one go: every answer has it.
    let mut header = String::with_capacity(128);
    let (billed, duration) = (report.billed_ms(), millis(report.duration));
    let mut write = |text: std::fmt::Arguments<'_>| {
        std::fmt::Write::write_fmt(&mut header, text).expect("writing into a string cannot fail");
    };
    write(format_args!("{{\"billedDurationMs\":{billed},\"durationMs\":{duration:?}"));
    if let Some(init) = report.init {
        write(format_args!(",\"initDurationMs\":{:?}", millis(init)));
    }
    if let Some(used) = report.max_memory_used_mb {
        write(format_args!(",\"maxMemoryUsedMB\":{used}"));
    }
    write(format_args!(",\"memorySizeMB\":{}}}", report.memory.0));
    header
}

pub(super) fn insert(response: &mut Response<Bytes>, name: HeaderName, value: &str) {
    // The trace id came in through a header or is ours; the report is JSON of numbers.
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use lambent_model::MemorySize;

    use super::*;

    #[test]
    fn a_client_context_is_handed_on_as_it_is_unless_a_header_cannot_hold_it() {
        for (json, expected) in [
            (r#"{"env": {}, "custom":{"b":1,"a":"ü"}}"#, Some(r#"{"env": {}, "custom":{"b":1,"a":"ü"}}"#)),
            ("{\n  \"custom\": {}\n}", Some(r#"{"custom":{}}"#)),
            ("[]", None),
            ("{", None),
        ] {
            let decoded = decode_client_context(&STANDARD.encode(json));
            assert_eq!(decoded.ok().as_deref(), expected, "{json}");
        }
    }

    #[test]
    fn the_report_is_json_of_its_figures() {
        let mut report = Report {
            duration: Duration::from_micros(5_000),
            restore: None,
            init: None,
            memory: MemorySize(128),
            max_memory_used_mb: None,
        };
        let expected = r#"{"billedDurationMs":5,"durationMs":5.0,"memorySizeMB":128}"#;
        assert_eq!(report_header(&report), expected);
        (report.init, report.max_memory_used_mb) = (Some(Duration::from_micros(40_127)), Some(33));
        let read: serde_json::Value = serde_json::from_str(&report_header(&report)).unwrap();
        assert_eq!(
            read,
            serde_json::json!({
                "billedDurationMs": 46, "durationMs": 5.0, "initDurationMs": 40.13, "maxMemoryUsedMB": 33,
                "memorySizeMB": 128
            })
        );
    }

    #[test]
    fn payload_is_one_json_value_in_utf_8() {
        for good in ["null", " 1 ", "\"\u{e9}\"", "[{}]"] {
            assert_eq!(check_json(good.as_bytes()), Ok(()), "{good}");
        }
        for bad in [&b"\"\xff\""[..], b"{} x", b"{bad", b""] {
            assert!(check_json(bad).is_err(), "{bad:?}");
        }
    }
}
