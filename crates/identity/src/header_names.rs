//! The headers that a signature covers.

use http::HeaderName;

use crate::AuthError;

/// Names of headers, `host;x-amz-date`: lower-case, sorted, each once. One text: most signatures have it so, and of most
/// nobody looks at the names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderNames(String);

impl HeaderNames {
    /// The names of a request's headers, of which none comes twice.
    pub(crate) fn of<'a>(names: impl Iterator<Item = &'a HeaderName>) -> Self {
        let mut names: Vec<&str> = names.map(HeaderName::as_str).collect();
        names.sort_unstable();
        Self(names.join(";"))
    }

    /// Reads them in any order and spelling.
    pub(crate) fn parse(text: &str) -> Result<Self, AuthError> {
        if is_canonical(text) {
            return Ok(Self(text.to_owned()));
        }
        let mut names: Vec<String> = text.split(';').map(str::to_ascii_lowercase).collect();
        names.sort();
        let canonical = names.join(";");
        if is_canonical(&canonical) {
            return Ok(Self(canonical));
        }
        Err(AuthError::IncompleteSignature(format!(
            "'SignedHeaders' must be a list of header names, each once, separated by ';', got '{text}'."
        )))
    }

    /// All of them, as they are signed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.split(';')
    }
}

fn is_canonical(text: &str) -> bool {
    let mut last = "";
    text.split(';').all(|name| {
        // The empty name is not behind any.
        let follows = last < name && name.bytes().all(is_token);
        last = name;
        follows
    })
}

/// Whether names of headers have it (RFC 9110, section 5.6.2), capital letters aside.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_brought_into_order() {
        for (text, canonical) in [
            ("host", "host"),
            ("host;x-amz-date", "host;x-amz-date"),
            ("X-Amz-Date;host;Content-Type", "content-type;host;x-amz-date"),
        ] {
            assert_eq!(HeaderNames::parse(text).unwrap().as_str(), canonical, "{text}");
        }
        for text in
            ["", ";", "host;", ";host", "host;host", "host;Host", "ho st", "h\u{f6}st", "host;;x-amz-date"]
        {
            assert!(HeaderNames::parse(text).is_err(), "{text}");
        }
    }
}
