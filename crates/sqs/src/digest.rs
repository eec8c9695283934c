//! The MD5 digests by which senders and receivers see that a message came whole (Amazon SQS Developer Guide, "Amazon SQS
//! message metadata": calculating the MD5 message digest for message attributes).

use std::collections::BTreeMap;

use lambent_wire::sqs::types::MessageAttributeValue;
use md5::{Digest as _, Md5};

/// Of a text: 32 hexadecimal digits.
pub(crate) fn of_text(text: &str) -> String {
    hex::encode(Md5::digest(text.as_bytes()).as_slice())
}

/// Of attributes, in the order of their names: each part with its length before it, and what kind of value it is.
pub(crate) fn of_attributes(attributes: &BTreeMap<String, MessageAttributeValue>) -> Option<String> {
    const STRING: u8 = 1;
    const BINARY: u8 = 2;
    if attributes.is_empty() {
        return None;
    }
    let mut digest = Md5::new();
    let mut part = |bytes: &[u8], kind: Option<u8>| {
        if let Some(kind) = kind {
            digest.update([kind]);
        }
        // Attributes are far smaller than that.
        digest.update(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
        digest.update(bytes);
    };
    for (name, value) in attributes {
        part(name.as_bytes(), None);
        part(value.data_type.as_bytes(), None);
        match (&value.string_value, &value.binary_value) {
            (Some(text), _) => part(text.as_bytes(), Some(STRING)),
            (None, Some(bytes)) => part(bytes, Some(BINARY)),
            (None, None) => part(b"", Some(STRING)),
        }
    }
    Some(hex::encode(digest.finalize().as_slice()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(data_type: &str, text: Option<&str>, bytes: Option<&'static [u8]>) -> MessageAttributeValue {
        MessageAttributeValue {
            data_type: data_type.to_owned(),
            string_value: text.map(str::to_owned),
            binary_value: bytes.map(Into::into),
            ..MessageAttributeValue::default()
        }
    }

    #[test]
    fn digests_are_those_that_sdks_compute() {
        assert_eq!(of_text("hello"), "5d41402abc4b2a76b9719d911017c592");
        assert_eq!(of_attributes(&BTreeMap::new()), None);
        // RFC 1321 over the bytes that the guide prescribes, computed apart from this code.
        let attributes = BTreeMap::from([
            ("b".to_owned(), value("Binary", None, Some(b"\x00\x01"))),
            ("a".to_owned(), value("String", Some("v"), None)),
        ]);
        let bytes =
            b"\0\0\0\x01a\0\0\0\x06String\x01\0\0\0\x01v\0\0\0\x01b\0\0\0\x06Binary\x02\0\0\0\x02\0\x01";
        assert_eq!(of_attributes(&attributes), Some(hex::encode(Md5::digest(bytes).as_slice())));
    }
}
