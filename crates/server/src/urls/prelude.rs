//! The beginning of a streamed HTTP response: `{"statusCode":…,"headers":…,"cookies":…}`, eight zero bytes, the body
//! (AWS Lambda Developer Guide, "Response streaming for Lambda functions").

use bytes::{Bytes, BytesMut};
use http::Response;

use super::response::{Malformed, head};

/// The content type of responses that begin so.
pub(super) const HTTP_INTEGRATION: &str = "application/vnd.awslambda.http-integration-response";
const DELIMITER: [u8; 8] = [0; 8];
/// Of a prelude: it holds headers, which are a few kilobytes.
const LIMIT: usize = 256 * 1024;

/// Reads a prelude that comes in pieces.
#[derive(Debug, Default)]
pub(super) struct Prelude {
    read: BytesMut,
    /// How much of that holds no delimiter.
    searched: usize,
}

impl Prelude {
    /// Takes a piece: the head and what follows it, once that is there.
    pub(super) fn feed(&mut self, piece: &[u8]) -> Result<Option<(Response<()>, Bytes)>, Malformed> {
        self.read.extend_from_slice(piece);
        let found =
            self.read[self.searched..].windows(DELIMITER.len()).position(|window| window == DELIMITER);
        let Some(found) = found else {
            if self.read.len() > LIMIT {
                return Err(Malformed);
            }
            self.searched = self.read.len().saturating_sub(DELIMITER.len() - 1);
            return Ok(None);
        };
        let mut prelude = std::mem::take(&mut self.read);
        let rest = prelude.split_off(self.searched + found + DELIMITER.len());
        prelude.truncate(self.searched + found);
        let members = serde_json::from_slice(&prelude).map_err(|_| Malformed)?;
        Ok(Some((head(&members)?, rest.freeze())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &[u8] =
        b"{\"statusCode\":201,\"headers\":{\"content-type\":\"text/plain\"},\"cookies\":[\"a=1\"]}\0\0\0\0\0\0\0\0bo\0dy";

    #[test]
    fn a_prelude_is_found_however_it_is_cut() {
        for at in 0..WHOLE.len() {
            let mut prelude = Prelude::default();
            let (first, second) = WHOLE.split_at(at);
            let mut body = Vec::new();
            let mut response = None;
            for piece in [first, second] {
                if response.is_some() {
                    body.extend_from_slice(piece);
                } else if let Some((head, rest)) = prelude.feed(piece).unwrap() {
                    response = Some(head);
                    body.extend_from_slice(&rest);
                }
            }
            let response = response.unwrap();
            assert_eq!((response.status().as_u16(), &body[..]), (201, &b"bo\0dy"[..]), "cut at {at}");
            assert_eq!(response.headers()["set-cookie"], "a=1");
        }
    }

    #[test]
    fn what_is_no_prelude_is_refused() {
        let mut long = Prelude::default();
        assert!((0..5).any(|_| long.feed(&[b' '; 64 * 1024]).is_err()), "without an end");
        for text in [&b"[]\0\0\0\0\0\0\0\0"[..], b"{\"statusCode\":1}\0\0\0\0\0\0\0\0", b"x\0\0\0\0\0\0\0\0"]
        {
            assert!(Prelude::default().feed(text).is_err());
        }
    }
}
