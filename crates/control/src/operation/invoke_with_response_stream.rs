//! `InvokeWithResponseStream`: the response as an event stream, while the function is still writing it.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Response;
use lambent_model::{Completed, Outcome, PieceFuture, ResponseHead, TakeResponse};
use lambent_wire::lambda::{self, op, types as t};
use lambent_wire::{Error, event_stream};

use super::invoke::{Limit, TRACE_ID, insert, invocation};
use crate::outlet::Outlet;
use crate::refuse;
use crate::request::{Context, INVOKE};

/// Answers into `outlet`, but for what has no stream: `DryRun`, and whatever happened before the response began.
pub(crate) async fn answer(
    context: &Context<'_>,
    input: t::InvokeWithResponseStreamRequest,
    outlet: Outlet,
) -> Result<Response<Bytes>, Error> {
    let target = context.target(&input.function_name, input.qualifier.as_deref(), INVOKE).await?;
    let invoke = &context.control.parts.invoke;
    let qualified = target.qualified();
    if input.invocation_type == Some(t::ResponseStreamingInvocationType::DryRun) {
        invoke
            .check(&target, input.tenant_id.as_deref())
            .await
            .map_err(|error| refuse::invoke(&error, &qualified))?;
        let output = t::InvokeWithResponseStreamResponse { status_code: Some(204), ..Default::default() };
        return Ok(lambent_wire::encode::<op::InvokeWithResponseStream>(&output, context.request_id));
    }
    let invocation = Arc::new(invocation(context, as_invoke(input), &target, Limit::SYNCHRONOUS)?);
    let events = Arc::new(Events {
        outlet,
        request_id: context.request_id.to_owned(),
        trace_id: invocation.trace_id.clone(),
    });
    let invoked = invoke.invoke_streaming(target, invocation, Arc::clone(&events) as _).await;
    let invoked = match invoked {
        Ok(invoked) => invoked,
        Err(error) => return Err(refuse::invoke(&error, &qualified)),
    };
    let Completed { outcome, log_tail, .. } = invoked.completed;
    let has_begun = events.outlet.has_begun();
    let mut complete = t::InvokeWithResponseStreamCompleteEvent {
        log_result: log_tail.map(|tail| STANDARD.encode(tail)),
        ..Default::default()
    };
    if !has_begun {
        // The function has had the event, or never will.
        match outcome {
            Outcome::Platform(reason) => return Err(lambda::error::service_exception(reason)),
            Outcome::NotRestored(fault) => return Err(refuse::restore(fault)),
            Outcome::Success(_) | Outcome::Failed(_) => {}
        }
        events.begin(ResponseHead { executed_version: invoked.executed_version, content_type: None });
    }
    match outcome {
        Outcome::Success(whole) if !whole.is_empty() => {
            events.piece(whole).await;
        }
        Outcome::Success(_) => {}
        Outcome::Failed(failure) => {
            complete.error_code = Some(failure.error_type);
            complete.error_details = Some(String::from_utf8_lossy(&failure.body).into_owned());
        }
        Outcome::Platform(reason) => {
            complete.error_code = Some("ServiceException".to_owned());
            complete.error_details = Some(reason);
        }
        Outcome::NotRestored(fault) => {
            let error = refuse::restore(fault);
            complete.error_code = Some(error.code.to_owned());
            complete.error_details = Some(error.message);
        }
    }
    let last = t::InvokeWithResponseStreamResponseEvent::InvokeComplete(complete);
    events.outlet.end(Ok(Some(event_stream::event(&last).into()))).await;
    // Nobody gets it: the client has had the answer.
    Ok(Response::new(Bytes::new()))
}

/// The two take the same, and treat it the same.
fn as_invoke(input: t::InvokeWithResponseStreamRequest) -> t::InvocationRequest {
    t::InvocationRequest {
        function_name: input.function_name,
        qualifier: input.qualifier,
        log_type: input.log_type,
        client_context: input.client_context,
        tenant_id: input.tenant_id,
        payload: input.payload,
        ..Default::default()
    }
}

/// Makes events of a response.
struct Events {
    outlet: Outlet,
    request_id: String,
    trace_id: String,
}

impl TakeResponse for Events {
    fn begin(&self, head: ResponseHead) {
        // The runtime's content type is not for this API: its header says that there are events.
        let output = t::InvokeWithResponseStreamResponse {
            status_code: Some(200),
            executed_version: Some(head.executed_version),
            ..Default::default()
        };
        let mut response = lambent_wire::encode::<op::InvokeWithResponseStream>(&output, &self.request_id);
        insert(&mut response, TRACE_ID, &self.trace_id);
        self.outlet.begin(response.map(drop));
    }

    fn piece(&self, piece: Bytes) -> PieceFuture<'_> {
        let event = event_stream::blob_event("PayloadChunk", &piece);
        Box::pin(self.outlet.piece(event.into()))
    }
}
