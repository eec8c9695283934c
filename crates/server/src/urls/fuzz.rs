//! Results and preludes of hostile functions, and requests of hostile clients, out of good ones.

use bytes::BytesMut;
use lambent_testkit::campaign;

use super::host::Domains;
use super::prelude::Prelude;
use super::response::of_result;

#[test]
fn no_result_breaks_the_answer() {
    let seeds = [
        &br#"{"statusCode": 201, "headers": {"a": "b", "Connection": "x"}, "cookies": ["c=d"], "body": "e"}"#
            [..],
        br#"{"statusCode": "200", "body": "aGk=", "isBase64Encoded": true}"#,
        br#" {"x": [1, "\"\\", null]} "#,
        br#""text""#,
    ];
    campaign(&seeds.map(<[u8]>::to_vec), |result| {
        let Ok(response) = of_result(result) else { return };
        assert!((200..600).contains(&response.status().as_u16()));
        for name in ["connection", "transfer-encoding", "content-length", "upgrade", "date"] {
            assert!(!response.headers().contains_key(name), "{name} is the server's");
        }
        for value in response.headers().values() {
            assert!(!value.as_bytes().iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
        }
    });
}

#[test]
fn a_prelude_is_the_same_however_it_is_cut() {
    let whole = b"{\"statusCode\":201,\"headers\":{\"a\":\"b\"},\"cookies\":[\"c=d\"]}\0\0\0\0\0\0\0\0body";
    campaign(&[whole.to_vec(), b"\0\0\0\0\0\0\0\0\0".to_vec()], |stream| {
        let at_once = Prelude::default().feed(stream);
        let (mut prelude, mut head, mut body) = (Prelude::default(), Ok(None), BytesMut::new());
        for byte in stream.chunks(1) {
            match &head {
                Ok(None) => head = prelude.feed(byte),
                Ok(Some(_)) => body.extend_from_slice(byte),
                Err(_) => break,
            }
        }
        match (at_once, head) {
            (Ok(Some((one, rest))), Ok(Some((other, _)))) => {
                assert_eq!((one.status(), one.headers()), (other.status(), other.headers()));
                assert_eq!(rest, body.freeze());
            }
            (one, other) => assert_eq!(
                (one.map(|found| found.is_some())).is_ok(),
                (other.map(|found| found.is_some())).is_ok()
            ),
        }
    });
}

#[test]
fn no_host_breaks_the_reader() {
    let domains = Domains::new(&["fn.example".to_owned()]);
    let seeds = ["a.lambda-url.us-east-1.localhost:4566", "a.lambda-url.r.fn.example.", "[::1]:80"];
    campaign(&seeds.map(|seed| seed.as_bytes().to_vec()), |host| {
        let Ok(host) = std::str::from_utf8(host) else { return };
        if let Some(found) = domains.parse(host) {
            assert!(!found.id.is_empty() && !found.id.contains('.'), "{host}");
        }
    });
}
