//! The canonical request: one spelling for all the ways in which a request can be written.

use http::header::{HeaderMap, HeaderName};
use http::request::Parts;
use lambent_model::Sha256;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};
use sha2::Digest;

use crate::HeaderNames;

/// Everything but RFC 3986's unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The query parameter that the signature cannot cover, because it is the signature.
pub(crate) const SIGNATURE_PARAMETER: &str = "X-Amz-Signature";

/// Lays the request out for signing.
pub(crate) fn request(parts: &Parts, signed_headers: &HeaderNames, payload: &str) -> Vec<u8> {
    let mut text = Vec::with_capacity(512);
    for line in [parts.method.as_str(), &path(parts.uri.path()), &query(parts.uri.query().unwrap_or(""))] {
        text.extend_from_slice(line.as_bytes());
        text.push(b'\n');
    }
    for name in signed_headers.iter() {
        text.extend_from_slice(name.as_bytes());
        text.push(b':');
        header_value(parts, name, &mut text);
        text.push(b'\n');
    }
    text.push(b'\n');
    text.extend_from_slice(signed_headers.as_str().as_bytes());
    text.push(b'\n');
    text.extend_from_slice(payload.as_bytes());
    text
}

/// The path without dot segments and doubled slashes, each segment encoded once more than it was sent.
fn path(sent: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in sent.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            _ => segments.push(segment),
        }
    }
    let mut normal = String::with_capacity(sent.len() + 8);
    for segment in &segments {
        normal.push('/');
        normal.extend(percent_encode(segment.as_bytes(), RESERVED));
    }
    // A path that ended in a slash, a dot or two names a folder, and keeps its final slash.
    let is_folder = matches!(sent.rsplit('/').next(), Some("" | "." | ".."));
    if is_folder || segments.is_empty() {
        normal.push('/');
    }
    normal
}

/// The query's parameters, decoded, encoded in one way, and sorted.
fn query(sent: &str) -> String {
    let mut pairs: Vec<(String, String)> = parameters(sent)
        .filter(|(name, _)| name != SIGNATURE_PARAMETER.as_bytes())
        .map(|(name, value)| {
            (percent_encode(&name, RESERVED).to_string(), percent_encode(&value, RESERVED).to_string())
        })
        .collect();
    pairs.sort();
    let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

/// The decoded parameters of a query in the order sent. A plus sign is a space, as in forms.
pub(crate) fn parameters(query: &str) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).collect::<Vec<u8>>();
    query.split('&').filter(|pair| !pair.is_empty()).map(move |pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    })
}

/// All values of one header, joined by commas, without needless blanks.
fn header_value(parts: &Parts, name: &str, into: &mut Vec<u8>) {
    if name == "host" && !parts.headers.contains_key("host") {
        // HTTP/2 sends `:authority` in place of `Host`; the signature speaks of `host` in both.
        into.extend_from_slice(parts.uri.authority().map_or("", |a| a.as_str()).as_bytes());
        return;
    }
    for (index, value) in parts.headers.get_all(name).iter().enumerate() {
        if index > 0 {
            into.push(b',');
        }
        let words = value.as_bytes().split(|b| *b == b' ' || *b == b'\t').filter(|word| !word.is_empty());
        for (index, word) in words.enumerate() {
            if index > 0 {
                into.push(b' ');
            }
            into.extend_from_slice(word);
        }
    }
}

/// The SHA-256 of some bytes.
pub(crate) fn sha256(bytes: &[u8]) -> Sha256 {
    Sha256(sha2::Sha256::digest(bytes).into())
}

/// One header that must not be repeated; `Err` when it is, or when it is not ASCII.
pub(crate) fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, String> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(format!("Header '{name}' must not be repeated."));
    }
    value.to_str().map(Some).map_err(|_| format!("Header '{name}' must be ASCII."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_normalised_and_encoded_again() {
        // The "normalize-path" family of AWS's Signature Version 4 test suite, and names as the Lambda API sees them.
        for (sent, canonical) in [
            ("/", "/"),
            ("", "/"),
            ("//", "/"),
            ("/./", "/"),
            ("/./example", "/example"),
            ("//example//", "/example/"),
            ("/example/..", "/"),
            ("/example1/example2/../..", "/"),
            ("/example1/example2/..", "/example1/"),
            ("/../../etc", "/etc"),
            ("/-._~0123456789abcXYZ", "/-._~0123456789abcXYZ"),
            ("/functions/f:live/invocations", "/functions/f%3Alive/invocations"),
            ("/tags/arn%3Aaws%3Alambda", "/tags/arn%253Aaws%253Alambda"),
        ] {
            assert_eq!(path(sent), canonical, "{sent}");
        }
    }

    #[test]
    fn queries_are_sorted_and_spelled_in_one_way() {
        for (sent, canonical) in [
            ("", ""),
            ("Param2=value2&Param1=value1", "Param1=value1&Param2=value2"),
            ("Param1=value2&Param1=Value1", "Param1=Value1&Param1=value2"),
            ("Param1=", "Param1="),
            ("List", "List="),
            ("a=b+c&a=b%20b", "a=b%20b&a=b%20c"),
            ("arn=arn:aws:x%3ay", "arn=arn%3Aaws%3Ax%3Ay"),
            ("%E1%88%B4=bar", "%E1%88%B4=bar"),
            ("&&z=1&", "z=1"),
            ("X-Amz-Signature=00&b=1", "b=1"),
        ] {
            assert_eq!(query(sent), canonical, "{sent}");
        }
    }
}
