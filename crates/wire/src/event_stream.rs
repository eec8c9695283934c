//! The event stream encoding: messages with headers, one after the other, in a response that does not end (Smithy: "Amazon
//! Event Stream Specification").
//!
//! ```text
//! total length u32 · headers' length u32 · checksum of both u32 · headers · payload · checksum of all before u32
//! header = name's length u8 · name · 7 (a text) · value's length u16 · value
//! ```

use serde::Serialize;
use serde_json::Value;

/// The content type of a response that is an event stream.
pub const EVENT_STREAM: &str = "application/vnd.amazon.eventstream";

/// The first message of an operation whose protocol has no other place for the rest of its output.
#[must_use]
pub fn initial_response() -> Vec<u8> {
    message(
        &[
            (":message-type", "event"),
            (":event-type", "initial-response"),
            (":content-type", "application/json"),
        ],
        b"{}",
    )
}

/// A message for a value of an event stream's union, which serialises as an object with the one member that is set.
///
/// # Panics
/// Where the value is no such union, which is a mistake in the calling code.
#[must_use]
pub fn event(value: &impl Serialize) -> Vec<u8> {
    let value = serde_json::to_value(value).expect("shapes are made of texts and numbers");
    let Value::Object(members) = value else { panic!("the value is no union") };
    let (name, payload) = members.into_iter().next().expect("a union has its one member");
    let payload = payload.to_string();
    // Errors are members of the union, too, by the name of their shape.
    if name.ends_with("Exception") {
        let headers = [
            (":message-type", "exception"),
            (":exception-type", &name),
            (":content-type", "application/json"),
        ];
        return message(&headers, payload.as_bytes());
    }
    let headers = [(":message-type", "event"), (":event-type", &name), (":content-type", "application/json")];
    message(&headers, payload.as_bytes())
}

/// A message for an event whose payload is bytes (Smithy: "eventPayload trait", of a blob).
#[must_use]
pub fn blob_event(name: &str, payload: &[u8]) -> Vec<u8> {
    let headers =
        [(":message-type", "event"), (":event-type", name), (":content-type", "application/octet-stream")];
    message(&headers, payload)
}

fn message(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::new();
    for (name, value) in headers {
        encoded.push(u8::try_from(name.len()).expect("names of headers are short"));
        encoded.extend_from_slice(name.as_bytes());
        encoded.push(7);
        encoded
            .extend_from_slice(&u16::try_from(value.len()).expect("names of shapes are short").to_be_bytes());
        encoded.extend_from_slice(value.as_bytes());
    }
    let length =
        |bytes: usize| u32::try_from(bytes).expect("messages are far below four gigabytes").to_be_bytes();
    let mut out = Vec::with_capacity(16 + encoded.len() + payload.len());
    out.extend_from_slice(&length(16 + encoded.len() + payload.len()));
    out.extend_from_slice(&length(encoded.len()));
    out.extend_from_slice(&crc32fast::hash(&out).to_be_bytes());
    out.extend_from_slice(&encoded);
    out.extend_from_slice(payload);
    out.extend_from_slice(&crc32fast::hash(&out).to_be_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_specifications_empty_message_is_this() {
        // "empty_message" of the encoding's published test vectors.
        let expected = [0, 0, 0, 16, 0, 0, 0, 0, 0x05, 0xc2, 0x48, 0xeb, 0x7d, 0x98, 0xc8, 0xff];
        assert_eq!(message(&[], b""), expected);
    }

    #[test]
    fn a_message_has_its_headers_and_payload() {
        let bytes = event(&serde_json::json!({"sessionStart": {"a": 1}}));
        assert_eq!(u32::from_be_bytes(bytes[..4].try_into().unwrap()) as usize, bytes.len());
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.contains(":event-type\u{7}\0\u{c}sessionStart") && text.contains("{\"a\":1}"), "{text}");
        let error = event(&serde_json::json!({"SessionTimeoutException": {"message": "over"}}));
        assert!(
            String::from_utf8_lossy(&error).contains(":exception-type\u{7}\0\u{17}SessionTimeoutException")
        );
    }
}
