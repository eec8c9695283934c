//! Answers that begin before they are whole: the head goes out when the function begins its response, the rest follows
//! as it is made, at the pace of whoever is slower.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Response;
use hyper::body::Frame;
use lambent_control::{Cut, Inlet, Outlet};
use tokio::sync::mpsc;

use super::{Gateway, Reply};

/// A call that is being made. It goes on when this is dropped.
type Call = Pin<Box<dyn Future<Output = Response<Bytes>> + Send>>;

/// The rest of an answer.
pub(crate) struct Rest {
    pieces: mpsc::Receiver<Result<Bytes, Cut>>,
    /// Until it has come to its end.
    call: Option<Call>,
    /// It ends here, once what has been sent is on its way.
    cut: bool,
}

impl Gateway {
    /// Makes a call that answers into an outlet. What it returns is the answer where none has begun.
    pub(crate) async fn begin<F>(
        self: &Arc<Self>,
        call: impl FnOnce(Arc<Self>, Outlet) -> F,
    ) -> Response<Reply>
    where
        F: Future<Output = Response<Bytes>> + Send + 'static,
    {
        let (outlet, Inlet { mut head, pieces }) = Outlet::new();
        let (orphans, requests) = (Arc::clone(&self.orphans), Arc::clone(&self.requests));
        let call = call(Arc::clone(self), outlet);
        // From here on the call is made, whether or not somebody waits for its answer.
        let mut call: Call =
            Box::pin(async move { orphans.keep(call, move || requests.orphaned.add(1)).await });
        let answered = tokio::select! {
            biased;
            Ok(head) = &mut head => return head.map(|()| Reply::Begun(Rest::new(pieces, Some(call)))),
            answered = &mut call => answered,
        };
        match head.try_recv() {
            // All of it was there at once.
            Ok(head) => head.map(|()| Reply::Begun(Rest::new(pieces, None))),
            Err(_) => Reply::of(answered),
        }
    }
}

impl Rest {
    fn new(pieces: mpsc::Receiver<Result<Bytes, Cut>>, call: Option<Call>) -> Self {
        Self { pieces, call, cut: false }
    }

    pub(super) fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        if self.cut {
            return Poll::Ready(Some(Err(Cut)));
        }
        let mut piece = self.pieces.poll_recv(context);
        // The call has to be polled to come to its end, which is when there is nothing else to do.
        if !matches!(piece, Poll::Ready(Some(_)))
            && let Some(call) = &mut self.call
        {
            if call.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            self.call = None;
            // What it sent last.
            piece = self.pieces.poll_recv(context);
        }
        if let Poll::Ready(Some(Err(_))) = piece
            && !self.cut
        {
            // hyper drops what it has not written yet along with the connection, and writes when it has to wait.
            self.cut = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        piece.map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}
