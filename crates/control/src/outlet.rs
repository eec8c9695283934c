//! Where an answer goes that begins before it is whole: head first, then piece by piece as its client takes them.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::Response;
use tokio::sync::{mpsc, oneshot};

/// Pieces between function and client: while one is written to the client, others may come. A piece is what one read of
/// the runtime's connection brought, 128 KB at most.
const PIECES: usize = 8;

/// The answer ends here, although it is not whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the response ended before it was whole")]
pub struct Cut;

/// The side of whoever has the answer.
#[derive(Debug)]
pub struct Outlet {
    head: Mutex<Option<oneshot::Sender<Response<()>>>>,
    pieces: Mutex<Option<mpsc::Sender<Result<Bytes, Cut>>>>,
}

/// The side of the client's connection.
#[derive(Debug)]
pub struct Inlet {
    /// The head, when the answer begins; gone where it does not.
    pub head: oneshot::Receiver<Response<()>>,
    /// The body. It has ended when the outlet has.
    pub pieces: mpsc::Receiver<Result<Bytes, Cut>>,
}

impl Outlet {
    /// A new one, with its other side.
    #[must_use]
    pub fn new() -> (Self, Inlet) {
        let (head, head_receiver) = oneshot::channel();
        let (pieces, pieces_receiver) = mpsc::channel(PIECES);
        let outlet = Self { head: Mutex::new(Some(head)), pieces: Mutex::new(Some(pieces)) };
        (outlet, Inlet { head: head_receiver, pieces: pieces_receiver })
    }

    fn head(&self) -> MutexGuard<'_, Option<oneshot::Sender<Response<()>>>> {
        self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pieces(&self) -> MutexGuard<'_, Option<mpsc::Sender<Result<Bytes, Cut>>>> {
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the head is on its way.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.head().is_none()
    }

    /// Sends the head. A second one is not sent.
    pub fn begin(&self, head: Response<()>) {
        if let Some(sender) = self.head().take() {
            // A client that is gone has no use for it.
            let _gone = sender.send(head);
        }
    }

    /// Sends a piece when there is room for it; false when the client is gone or the answer has ended.
    pub async fn piece(&self, piece: Bytes) -> bool {
        let sender = self.pieces().clone();
        match sender {
            Some(sender) => sender.send(Ok(piece)).await.is_ok(),
            None => false,
        }
    }

    /// Ends the answer, with a last piece behind those that are on their way. What comes later is not sent.
    pub async fn end(&self, last: Result<Option<Bytes>, Cut>) {
        let sender = self.pieces().take();
        if let (Some(sender), Some(last)) = (sender, last.transpose()) {
            let _gone = sender.send(last).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_comes_after_the_end_is_not_sent_and_what_came_before_is() {
        let (outlet, mut inlet) = Outlet::new();
        outlet.begin(Response::new(()));
        assert!(outlet.piece(Bytes::from_static(b"one")).await);
        outlet.end(Ok(Some(Bytes::from_static(b"last")))).await;
        assert!(!outlet.piece(Bytes::from_static(b"late")).await);
        assert!(inlet.head.await.is_ok());
        assert_eq!(inlet.pieces.recv().await, Some(Ok(Bytes::from_static(b"one"))));
        assert_eq!(inlet.pieces.recv().await, Some(Ok(Bytes::from_static(b"last"))));
        assert_eq!(inlet.pieces.recv().await, None);
    }

    #[tokio::test]
    async fn a_client_that_is_gone_is_noticed() {
        let (outlet, inlet) = Outlet::new();
        drop(inlet);
        assert!(!outlet.piece(Bytes::new()).await);
        outlet.end(Err(Cut)).await;
    }
}
