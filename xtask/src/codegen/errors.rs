//! The modelled errors: a table entry and a builder for each.

use std::fmt::Write as _;

use super::model::{Model, Shape};
use super::{names, text};

/// A module `error`.
pub(crate) fn emit(model: &Model) -> Result<String, String> {
    let mut out = String::new();
    for (name, shape) in model.shapes.iter().filter(|(_, shape)| shape.exception) {
        let constant = names::constant(name);
        write!(
            out,
            "static {constant}: ErrorShape = {};\n/// `{name}`.\n#[must_use]\npub fn {}(message: impl Into<String>) -> \
             Error {{ Error::new(&{constant}, message) }}\n",
            entry(name, shape),
            names::snake(name)
        )
        .map_err(text)?;
    }
    // An import without a use would be a warning in the generated file.
    let extra = if out.contains("Extra {") { "Extra, " } else { "" };
    Ok(format!(
        "/// The errors of the service's model, each built from its message.\npub mod error {{\nuse crate::error::{{Error, \
         ErrorShape, {extra}Fault}};\n{out}}}\n"
    ))
}

fn entry(name: &str, shape: &Shape) -> String {
    // The default status (Smithy: "httpError trait"): 400 where the client is at fault, 500 otherwise.
    let default = if shape.fault { 500 } else { 400 };
    let status = shape.error.as_ref().and_then(|error| error.http_status_code).unwrap_or(default);
    let code = shape.error.as_ref().and_then(|error| error.code.as_deref()).unwrap_or(name);
    let fault = if shape.fault { "Server" } else { "Client" };
    let has = |wanted: &str| shape.members.0.iter().any(|(member, _)| member == wanted);
    // A model that names no message member still has one on the wire, in lower case (Smithy: "error trait").
    let message = if has("Message") { "Message" } else { "message" };
    let mut extras = String::new();
    for (member, reference) in &shape.members.0 {
        if matches!(member.as_str(), "Message" | "message" | "Type") {
            continue;
        }
        let header = match (reference.location.as_deref(), &reference.location_name) {
            (Some("header"), Some(header)) => format!("Some({:?})", header.to_ascii_lowercase()),
            _ => "None".to_owned(),
        };
        extras.push_str(&format!("Extra {{ member: {member:?}, header: {header} }},"));
    }
    format!(
        "ErrorShape {{ code: {code:?}, status: {status}, fault: Fault::{fault}, typed: {}, message: {message:?}, extras: \
         &[{extras}] }}",
        has("Type")
    )
}
