//! The query protocol's responses: values as XML (Smithy: "AWS query protocol", operation response serialization).
//!
//! A serialiser of our own, because it alone sees the difference between a structure, whose members are elements, and a
//! map, whose entries are.

use std::fmt::Display;

use serde::ser::{self, Serialize};

mod part;
pub(crate) mod read;

/// Why a value has no XML.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unfit(String);

impl ser::Error for Unfit {
    fn custom<T: Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

/// The response to a call: its result, where the operation has one, and the request's id.
pub(crate) fn response<T: Serialize>(
    operation: &crate::Operation,
    output: Option<&T>,
    request_id: &str,
) -> Result<String, Unfit> {
    let name = operation.name;
    let mut xml = format!("<{name}Response xmlns=\"{}\">", operation.service.namespace);
    if let Some(output) = output {
        let mut result = String::new();
        output.serialize(part::Writer::new(&mut result, operation.service.flat))?;
        element(&mut xml, &format!("{name}Result"), &result);
    }
    let id = escaped(request_id);
    xml.push_str(&format!(
        "<ResponseMetadata><RequestId>{id}</RequestId></ResponseMetadata></{name}Response>\n"
    ));
    Ok(xml)
}

/// The response for an error.
pub(crate) fn error(service: &crate::Service, error: &crate::Error, code: &str, request_id: &str) -> String {
    let kind = if error.is_server_fault() { "Receiver" } else { "Sender" };
    format!(
        "<ErrorResponse xmlns=\"{}\"><Error><Type>{kind}</Type><Code>{}</Code><Message>{}</Message></Error>\
         <RequestId>{}</RequestId></ErrorResponse>\n",
        service.namespace,
        code,
        escaped(&error.message),
        escaped(request_id)
    )
}

/// The common errors have names of their own in this protocol (AWS Identity and Access Management API Reference: "Common
/// Error Types"); those of a service's model are theirs already.
pub(crate) fn code(code: &'static str) -> &'static str {
    match code {
        "ValidationException" => "ValidationError",
        "SerializationException" => "MalformedInput",
        "UnknownOperationException" => "InvalidAction",
        "AccessDeniedException" => "AccessDenied",
        "MissingAuthenticationTokenException" => "MissingAuthenticationToken",
        "UnrecognizedClientException" => "InvalidClientTokenId",
        "InvalidSignatureException" => "SignatureDoesNotMatch",
        "ExpiredTokenException" => "ExpiredToken",
        "RequestEntityTooLargeException" => "RequestEntityTooLarge",
        "ThrottlingException" => "Throttling",
        other => other,
    }
}

/// `text` has been escaped, or is XML.
pub(crate) fn element(out: &mut String, name: &str, text: &str) {
    for part in ["<", name, ">", text, "</", name, ">"] {
        out.push_str(part);
    }
}

/// Text as it may stand in an element. What XML 1.0 cannot hold at all ("Characters") becomes U+FFFD.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for current in text.chars() {
        match current {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // Readers would make a line feed of it.
            '\r' => out.push_str("&#xD;"),
            '\t' | '\n' => out.push(current),
            '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
    out
}
