//! Bodies of answers: whole ones, and those that come message by message for as long as the client stays.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use hyper::body::{Body, Frame, SizeHint};
use lambent_control::Cut;
use lambent_services::logs::Streamed;
use tokio::sync::mpsc;

use super::begun::Rest;

/// The body of an answer.
pub(crate) enum Reply {
    Whole(Full<Bytes>),
    /// Ends when the sender is gone; a client that is gone drops it.
    Streamed(mpsc::Receiver<Bytes>),
    /// Of a call that is still being made.
    Begun(Rest),
    /// S3's, which may be an object.
    Object(lambent_s3::Body),
}

impl Reply {
    /// What is sent: the response's bytes, or the stream that it carries.
    pub(crate) fn of(mut response: Response<Bytes>) -> Response<Self> {
        let streamed = response.extensions_mut().remove::<Streamed>().and_then(|streamed| streamed.take());
        match streamed {
            Some(messages) => response.map(|_| Self::Streamed(messages)),
            None => response.map(|bytes| Self::Whole(Full::new(bytes))),
        }
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        match self.get_mut() {
            Self::Whole(whole) => Pin::new(whole).poll_frame(context).map_err(|never| match never {}),
            Self::Streamed(messages) => {
                messages.poll_recv(context).map(|bytes| bytes.map(|b| Ok(Frame::data(b))))
            }
            Self::Begun(rest) => rest.poll_frame(context),
            // The file could not be read to its end: the connection says so by ending early.
            Self::Object(body) => Pin::new(body).poll_frame(context).map_err(|error| {
                tracing::error!(error, "an object could not be read to its end");
                Cut
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(whole) => whole.is_end_stream(),
            Self::Streamed(_) | Self::Begun(_) => false,
            Self::Object(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(whole) => whole.size_hint(),
            Self::Streamed(_) | Self::Begun(_) => SizeHint::default(),
            Self::Object(body) => body.size_hint(),
        }
    }
}
