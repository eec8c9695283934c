use std::pin::Pin;
use std::task::Poll;

use http_body_util::{Full, StreamBody};
use hyper::body::Frame;

use futures_util::StreamExt as _;

use super::*;

/// A body of unknown length in chunks of a megabyte.
fn chunked(megabytes: usize) -> impl Body<Data = Bytes, Error: std::fmt::Display> + Unpin {
    let chunk = || Ok::<_, std::io::Error>(Frame::data(Bytes::from(vec![b'x'; 1 << 20])));
    StreamBody::new(futures_util::stream::iter((0..megabytes).map(move |_| chunk())))
}

async fn is_waiting<F: Future>(mut future: Pin<&mut F>) -> bool {
    std::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_pending())).await
}

fn places(count: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(count))
}

#[tokio::test]
async fn large_bodies_take_a_place_and_small_ones_none() {
    let (places, parts) = (places(1), places(CLIENTS_KIB));
    let room = Room { large: &places, allowance: &parts };
    let (small, none) = read(room, Full::new(Bytes::from_static(b"{}"))).await.unwrap();
    assert!(small == "{}" && none.large.is_none());
    let (large, place) = read(room, chunked(7)).await.unwrap();
    assert!(large.len() == 7 << 20 && place.large.is_some());
    let declared = read(room, Full::new(Bytes::from(vec![b'x'; 7 << 20])));
    let mut waiting = std::pin::pin!(declared);
    assert!(is_waiting(waiting.as_mut()).await, "no place is free");
    assert!(read(room, chunked(6)).await.unwrap().1.large.is_none());
    drop(place);
    assert!(waiting.await.unwrap().1.large.is_some());
}

#[tokio::test]
async fn an_environments_bodies_share_one_allowance() {
    let (places, allowance) = (places(1), places(7 * 1024));
    let room = Room { large: &places, allowance: &allowance };
    let (_, six) = read(room, Full::new(Bytes::from(vec![0; 6 << 20]))).await.unwrap();
    assert_eq!(allowance.available_permits(), 1024);
    let (_, free) = read(room, Full::new(Bytes::from(vec![0; FREE_BYTES]))).await.unwrap();
    assert!(free.part.is_none(), "usual calls do not wait for large ones");
    let unknown = chunked(1);
    let mut waiting = std::pin::pin!(read(room, unknown));
    assert!(is_waiting(waiting.as_mut()).await, "one of unknown size may become the largest");
    drop(six);
    drop(waiting.await.unwrap());
    assert_eq!(allowance.available_permits(), 7 * 1024);
}

#[tokio::test]
async fn body_above_the_limit_is_refused_whether_or_not_it_says_so() {
    let (places, parts) = (places(1), places(CLIENTS_KIB));
    let room = Room { large: &places, allowance: &parts };
    assert!(matches!(read(room, chunked(68)).await, Err(Failure::TooLarge)));
    let declared = Full::new(Bytes::from(vec![0; limits::REQUEST_BYTES + 1]));
    assert!(matches!(read(room, declared).await, Err(Failure::TooLarge)));
}
#[tokio::test(start_paused = true)]
async fn a_body_that_finds_no_place_is_refused_and_one_that_stalls_given_up() {
    let (places, none) = (places(1), places(0));
    let room = Room { large: &places, allowance: &none };
    assert!(matches!(read(room, chunked(1)).await, Err(Failure::Full)));
    let first = Ok::<_, std::io::Error>(Frame::data(Bytes::from_static(b"{")));
    let stalled = StreamBody::new(futures_util::stream::iter([first]).chain(futures_util::stream::pending()));
    assert!(matches!(read(room, stalled).await, Err(Failure::Slow)));
}

#[test]
fn a_body_of_one_piece_is_not_copied() {
    let whole = Bytes::from(vec![1; 100]);
    let mut pieces = Pieces::new(100);
    pieces.push(whole.clone());
    assert_eq!(pieces.finish().as_ptr(), whole.as_ptr());
    let mut pieces = Pieces::new(3);
    ["a", "b", "c"].into_iter().for_each(|piece| pieces.push(Bytes::from(piece)));
    assert_eq!((pieces.len(), pieces.finish()), (3, Bytes::from("abc")));
}
