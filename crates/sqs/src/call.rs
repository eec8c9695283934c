//! The entry: one call in, one answer out.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use lambent_wire::sqs::{error, op, types as t};
use lambent_wire::{Call, Error, Matched};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::time::Instant;

use crate::receive::{self, Looked};
use crate::{Caller, Context, Sqs, manage, moves, permissions, send, settle, tags};

type Waiting = Pin<Box<dyn Future<Output = Response<Bytes>> + std::marker::Send>>;

/// An answer that is still to come, of a receive that waits: an extension of the response that stands in for it. Dropping it
/// ends the waiting.
#[derive(Clone)]
pub struct Later(Arc<Mutex<Option<Waiting>>>);

impl Later {
    /// The response itself, or the one that it stands in for once that is there.
    pub async fn resolve(mut response: Response<Bytes>) -> Response<Bytes> {
        let later = response.extensions_mut().remove::<Self>();
        match later.and_then(|later| later.0.lock().unwrap_or_else(PoisonError::into_inner).take()) {
            Some(waiting) => waiting.await,
            None => response,
        }
    }
}

impl Sqs {
    /// Answers a request, for which the service's table of operations has found `matched`. Authentication is behind the
    /// caller. The answer may be [`Later`].
    pub async fn call(
        &self,
        matched: &Matched,
        caller: &Caller,
        request: Request<Bytes>,
        request_id: &str,
    ) -> Response<Bytes> {
        let (parts, body) = request.into_parts();
        let call = Pending { matched, body: addressed(matched, &parts, body), parts, request_id };
        let answered = self.answer(&call, caller).await;
        answered.unwrap_or_else(|error| matched.dialect().error_response(&error, request_id))
    }

    async fn answer(&self, call: &Pending<'_>, caller: &Caller) -> Result<Response<Bytes>, Error> {
        let trace = call.parts.headers.get("x-amzn-trace-id").and_then(|value| value.to_str().ok());
        let context = &Context { inner: &self.inner, caller, trace };
        macro_rules! calls {
            ($($operation:ident => $answer:path,)* ; $($silent:ident => $done:path,)*) => {
                match call.matched.operation().name {
                    $(stringify!($operation) => {
                        let output = $answer(context, call.input::<op::$operation>()?).await?;
                        Ok(call.output::<op::$operation>(&output))
                    })*
                    $(stringify!($silent) => {
                        $done(context, call.input::<op::$silent>()?).await?;
                        Ok(call.output::<op::$silent>(&lambent_wire::Empty {}))
                    })*
                    "ReceiveMessage" => self.receive(context, call).await,
                    _ => Err(call.matched.operation().not_offered()),
                }
            };
        }
        calls! {
            CancelMessageMoveTask => moves::cancel,
            ChangeMessageVisibilityBatch => settle::change_many,
            CreateQueue => manage::create,
            DeleteMessageBatch => settle::delete_many,
            GetQueueAttributes => manage::attributes,
            GetQueueUrl => manage::url,
            ListDeadLetterSourceQueues => manage::sources,
            ListMessageMoveTasks => moves::list,
            ListQueueTags => tags::list,
            ListQueues => manage::list,
            SendMessage => send::one,
            SendMessageBatch => send::many,
            StartMessageMoveTask => moves::start,
            ;
            AddPermission => permissions::add,
            ChangeMessageVisibility => settle::change,
            DeleteMessage => settle::delete,
            DeleteQueue => manage::delete,
            PurgeQueue => manage::purge,
            RemovePermission => permissions::remove,
            SetQueueAttributes => manage::set,
            TagQueue => tags::tag,
            UntagQueue => tags::untag,
        }
    }

    async fn receive(&self, context: &Context<'_>, call: &Pending<'_>) -> Result<Response<Bytes>, Error> {
        let wanted = receive::wanted(context, call.input::<op::ReceiveMessage>()?)?;
        let until = Instant::now() + self.inner.patience(&wanted);
        let due = match self.inner.look(&wanted).await? {
            Looked::Found(result) => return Ok(call.output::<op::ReceiveMessage>(&result)),
            Looked::Nothing(due) => due,
        };
        if Instant::now() >= until {
            return Ok(call.output::<op::ReceiveMessage>(&t::ReceiveMessageResult::default()));
        }
        let place = Arc::clone(&self.inner.waiting).try_acquire_owned().map_err(|_full| {
            error::request_throttled("too many receives wait already; try again in a moment")
        })?;
        let (inner, dialect, id) =
            (Arc::clone(&self.inner), call.matched.dialect(), call.request_id.to_owned());
        let waiting: Waiting = Box::pin(async move {
            let _place = place;
            match receive::wait(&inner, &wanted, due, until).await {
                Ok(result) => dialect.encode::<op::ReceiveMessage>(&result, &id),
                Err(error) => dialect.error_response(&error, &id),
            }
        });
        let mut response = Response::new(Bytes::new());
        response.extensions_mut().insert(Later(Arc::new(Mutex::new(Some(waiting)))));
        Ok(response)
    }
}

/// A call that has not been answered.
struct Pending<'a> {
    matched: &'a Matched,
    parts: Parts,
    body: Bytes,
    request_id: &'a str,
}

impl Pending<'_> {
    fn input<C: Call>(&self) -> Result<C::Input, Error> {
        self.matched.decode::<C>(&self.parts, self.body.clone())
    }

    fn output<C: Call>(&self, output: &C::Output) -> Response<Bytes> {
        self.matched.dialect().encode::<C>(output, self.request_id)
    }
}

/// A form that is sent to a queue's own address need not name the queue (Amazon SQS Developer Guide, "Making Query API
/// requests").
fn addressed(matched: &Matched, parts: &Parts, body: Bytes) -> Bytes {
    let path = parts.uri.path();
    let has_url = || {
        let named = |text: &[u8]| text.split(|c| *c == b'&').any(|pair| pair.starts_with(b"QueueUrl="));
        named(&body) || named(parts.uri.query().unwrap_or_default().as_bytes())
    };
    if !matched.dialect().is_routed_by_body() || path == "/" || has_url() {
        return body;
    }
    let separator = if body.is_empty() { "" } else { "&" };
    let url = utf8_percent_encode(path, NON_ALPHANUMERIC);
    [&body[..], format!("{separator}QueueUrl={url}").as_bytes()].concat().into()
}
