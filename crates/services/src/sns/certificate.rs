//! The certificate of the key that messages are signed with: self-signed, the same for the same key, without an end (RFC
//! 5280, section 4.1.2.5: a certificate without a well-defined expiration date). Pure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const UTF8_STRING: u8 = 0x0c;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;

/// sha256WithRSAEncryption (RFC 4055, section 5), with its parameter NULL.
const ALGORITHM: [u8; 13] = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b, 0x05, 0x00];
/// id-at-organizationName and id-at-commonName (RFC 5280, appendix A.1).
const ORGANIZATION: [u8; 5] = [0x06, 0x03, 0x55, 0x04, 0x0a];
const COMMON_NAME: [u8; 5] = [0x06, 0x03, 0x55, 0x04, 0x03];
/// id-ce-basicConstraints, critical: an authority, so that it can be put among those that a receiver trusts.
const CONSTRAINTS: [u8; 8] = [0x06, 0x03, 0x55, 0x1d, 0x13, 0x01, 0x01, 0xff];
const IS_AUTHORITY: [u8; 5] = [SEQUENCE, 0x03, 0x01, 0x01, 0xff];

/// One value in DER.
fn value(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let mut out = vec![tag];
    match u8::try_from(content.len()) {
        Ok(short @ 0..0x80) => out.push(short),
        _ => {
            let length = content.len().to_be_bytes();
            let length = &length[length.iter().take_while(|byte| **byte == 0).count()..];
            out.push(0x80 | u8::try_from(length.len()).expect("a length has at most eight bytes"));
            out.extend_from_slice(length);
        }
    }
    out.extend(content);
    out
}

fn name() -> Vec<u8> {
    let part = |kind: &[u8], text: &str| {
        value(SET, &[&value(SEQUENCE, &[kind, &value(UTF8_STRING, &[text.as_bytes()])])])
    };
    value(SEQUENCE, &[&part(&ORGANIZATION, "Lambent"), &part(&COMMON_NAME, "sns.amazonaws.com")])
}

/// What is signed, of a public key (its `SubjectPublicKeyInfo` in DER) and a serial number.
pub(super) fn to_sign(public_key: &[u8], serial: &[u8]) -> Vec<u8> {
    let name = name();
    // A byte in front keeps it from being a negative number; zeros there would be one too many.
    let serial: Vec<u8> = std::iter::once(&1).chain(serial).copied().collect();
    let validity = value(
        SEQUENCE,
        &[&value(UTC_TIME, &[b"200101000000Z"]), &value(GENERALIZED_TIME, &[b"99991231235959Z"])],
    );
    let constraints = value(SEQUENCE, &[&CONSTRAINTS, &value(OCTET_STRING, &[&IS_AUTHORITY])]);
    value(
        SEQUENCE,
        &[
            // Version 3.
            &value(0xa0, &[&value(INTEGER, &[&[2]])]),
            &value(INTEGER, &[&serial]),
            &value(SEQUENCE, &[&ALGORITHM]),
            &name,
            &validity,
            &name,
            public_key,
            &value(0xa3, &[&value(SEQUENCE, &[&constraints])]),
        ],
    )
}

/// The certificate in PEM (RFC 7468).
pub(super) fn pem(to_sign: &[u8], signature: &[u8]) -> String {
    let whole =
        value(SEQUENCE, &[to_sign, &value(SEQUENCE, &[&ALGORITHM]), &value(BIT_STRING, &[&[0], signature])]);
    let text = STANDARD.encode(whole);
    let mut pem = "-----BEGIN CERTIFICATE-----\n".to_owned();
    for line in text.as_bytes().chunks(64) {
        pem.push_str(std::str::from_utf8(line).expect("base 64 is ASCII"));
        pem.push('\n');
    }
    pem + "-----END CERTIFICATE-----\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_written_in_as_few_bytes_as_they_need() {
        for (length, head) in
            [(0, vec![4, 0]), (127, vec![4, 127]), (128, vec![4, 0x81, 128]), (256, vec![4, 0x82, 1, 0])]
        {
            let written = value(OCTET_STRING, &[&vec![7; length]]);
            assert_eq!((&written[..head.len()], written.len()), (&head[..], head.len() + length));
        }
    }
}
