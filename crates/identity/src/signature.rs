//! The signature over a canonical request.

use hmac::{Hmac, KeyInit, Mac};

use crate::canonical::sha256;
use crate::credential::TERMINATOR;
use crate::{AuthError, Credential};

pub(crate) const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// The text that the signature covers. `date` is the request's date in basic format.
pub(crate) fn string_to_sign(credential: &Credential, date: &str, canonical_request: &[u8]) -> String {
    format!("{ALGORITHM}\n{date}\n{}\n{}", credential.scope(), sha256(canonical_request))
}

/// The signature as it is sent, 64 hexadecimal digits.
pub(crate) fn signature(secret: &str, credential: &Credential, string_to_sign: &str) -> String {
    let tag: [u8; 32] = mac(secret, credential, string_to_sign).finalize().into_bytes().into();
    lambent_model::Sha256(tag).to_string()
}

/// Compares in constant time, so that answers do not tell how much of a guess was right.
pub(crate) fn check(
    secret: &str,
    credential: &Credential,
    string_to_sign: &str,
    canonical_request: &[u8],
    sent: &str,
) -> Result<(), AuthError> {
    let matches = sent
        .parse::<lambent_model::Sha256>()
        .is_ok_and(|sent| mac(secret, credential, string_to_sign).verify_slice(&sent.0).is_ok());
    if matches {
        return Ok(());
    }
    Err(AuthError::SignatureDoesNotMatch {
        canonical_request: String::from_utf8_lossy(canonical_request).into_owned(),
        string_to_sign: string_to_sign.to_owned(),
    })
}

fn mac(secret: &str, credential: &Credential, text: &str) -> Hmac<sha2::Sha256> {
    let mut key = format!("AWS4{secret}").into_bytes();
    for step in [credential.date.as_str(), credential.scope_region.as_str(), &credential.service, TERMINATOR]
    {
        key = keyed(&key, step).finalize().into_bytes().to_vec();
    }
    keyed(&key, text)
}

fn keyed(key: &[u8], text: &str) -> Hmac<sha2::Sha256> {
    let mut mac = Hmac::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text.as_bytes());
    mac
}
