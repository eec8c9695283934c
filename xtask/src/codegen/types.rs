//! Structures and enums as Rust types.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::model::{Kind, Model, Reference, Shape};
use super::reach::Reach;
use super::{names, text};

/// Every reached structure and enum, in a module `types`.
pub(crate) fn emit(model: &Model, reach: &Reach) -> Result<String, String> {
    let mut out = String::from("/// The shapes, under AWS's names.\npub mod types {\n");
    for name in reach.all() {
        let shape = model.shape(name)?;
        match shape.kind {
            Kind::Structure if shape.document => {}
            Kind::Structure if shape.is_one_of() => out.push_str(&one_of(model, name, shape)?),
            Kind::Structure => out.push_str(&structure(model, name, shape, reach)?),
            Kind::String if !shape.values.is_empty() => {
                out.push_str(&enumeration(&names::type_name(name), &shape.values)?)
            }
            _ => {}
        }
    }
    out.push_str("}\npub use types::*;\n\n");
    Ok(out)
}

fn structure(model: &Model, name: &str, shape: &Shape, reach: &Reach) -> Result<String, String> {
    let mut out = String::new();
    let default = if defaultable(model, name, shape, reach)? { ", Default" } else { "" };
    let redacted = redacted_debug(model, name, shape)?;
    let debug = if redacted.is_some() { "" } else { "Debug, " };
    writeln!(out, "/// `{name}`.").map_err(text)?;
    writeln!(out, "#[derive({debug}Clone, PartialEq{default}, serde::Serialize, serde::Deserialize)]")
        .map_err(text)?;
    writeln!(out, "pub struct {name} {{").map_err(text)?;
    for (member, reference) in fields(model, shape)? {
        let payload_blob = is_payload_blob(model, shape, member, reference)?;
        let required = is_required(shape, member, name, reach);
        let rust = rust_type(model, reference)?;
        let key = key(member, reference);
        writeln!(out, "/// `{member}`").map_err(text)?;
        match (payload_blob, required) {
            // The raw body never passes through serde: `Call` hands it over without a copy.
            (true, _) => writeln!(out, "#[serde(skip)]").map_err(text)?,
            (false, true) => writeln!(out, "#[serde(rename = {key:?})]").map_err(text)?,
            (false, false) => writeln!(
                out,
                "#[serde(rename = {key:?}, default, skip_serializing_if = \"Option::is_none\")]"
            )
            .map_err(text)?,
        }
        let rust = if required && !payload_blob { rust } else { format!("Option<{rust}>") };
        writeln!(out, "pub {}: {rust},", names::field(member)).map_err(text)?;
    }
    out.push_str("}\n");
    out.push_str(&redacted.unwrap_or_default());
    Ok(out)
}

/// The members that are fields. The events of a stream come one by one, each a value of the stream's own type.
fn fields<'a>(model: &Model, shape: &'a Shape) -> Result<Vec<&'a (String, Reference)>, String> {
    let mut fields = Vec::new();
    for member in &shape.members.0 {
        if !model.shape(&member.1.shape)?.eventstream {
            fields.push(member);
        }
    }
    Ok(fields)
}

/// A union: a JSON object with one key, which serde's externally tagged enums are.
fn one_of(model: &Model, name: &str, shape: &Shape) -> Result<String, String> {
    let mut out = String::new();
    writeln!(out, "/// `{name}`: one of these.").map_err(text)?;
    writeln!(out, "#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]")
        .map_err(text)?;
    writeln!(out, "pub enum {name} {{").map_err(text)?;
    for (member, reference) in &shape.members.0 {
        let part = model.shape(&reference.shape)?;
        if part.sensitive && !matches!(part.kind, Kind::Structure | Kind::Blob) {
            return Err(format!(
                "'{name}.{member}' is sensitive, which the generator does not hide in a union yet"
            ));
        }
        let (variant, rust) = (names::variant(member), rust_type(model, reference)?);
        write!(out, "/// `{member}`\n#[serde(rename = {:?})]\n{variant}({rust}),\n", key(member, reference))
            .map_err(text)?;
    }
    out.push_str("}\n");
    Ok(out)
}

/// A `Debug` that hides sensitive members, where a structure has any: environment variables belong in no log.
fn redacted_debug(model: &Model, name: &str, shape: &Shape) -> Result<Option<String>, String> {
    let mut shown = String::new();
    let mut any = false;
    for (member, reference) in fields(model, shape)? {
        let part = model.shape(&reference.shape)?;
        let field = names::field(member);
        // A blob prints its size alone in any case.
        let hidden = part.sensitive && part.kind != Kind::Blob;
        any |= hidden;
        let value = if hidden { "&format_args!(\"***\")".to_owned() } else { format!("&self.{field}") };
        write!(shown, ".field({field:?}, {value})").map_err(text)?;
    }
    let body = format!("f.debug_struct({name:?}){shown}.finish()");
    Ok(any.then(|| {
        format!(
            "impl std::fmt::Debug for {name} {{\nfn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result \
             {{ {body} }}\n}}\n"
        )
    }))
}

fn enumeration(name: &str, values: &[String]) -> Result<String, String> {
    let variants: Vec<String> = values.iter().map(|value| names::variant(value)).collect();
    if variants.iter().collect::<BTreeSet<_>>().len() != variants.len() {
        return Err(format!(
            "two values of the enum '{name}' would become the same variant; extend names::variant"
        ));
    }
    let mut out = String::new();
    writeln!(out, "crate::open_enum::open_enum! {{\n        /// `{name}`.\n        pub enum {name} {{")
        .map_err(text)?;
    for (variant, value) in variants.iter().zip(values) {
        // rustfmt leaves the inside of a macro call alone, so it is indented here.
        writeln!(out, "            {variant} = {value:?},").map_err(text)?;
    }
    out.push_str("        }\n    }\n");
    Ok(out)
}

/// The field's type without `Option`.
fn rust_type(model: &Model, reference: &Reference) -> Result<String, String> {
    let shape = model.shape(&reference.shape)?;
    let part = |part: &Option<Reference>| match part {
        Some(part) => rust_type(model, part),
        None => Err(format!("the model of '{}' lacks its element", reference.shape)),
    };
    Ok(match shape.kind {
        Kind::Structure if shape.document => "serde_json::Value".to_owned(),
        Kind::Structure => names::type_name(&reference.shape),
        Kind::String if shape.values.is_empty() => "String".to_owned(),
        Kind::String => names::type_name(&reference.shape),
        Kind::Blob => "crate::Blob".to_owned(),
        Kind::Boolean => "bool".to_owned(),
        Kind::Integer => "i32".to_owned(),
        Kind::Long => "i64".to_owned(),
        Kind::Float | Kind::Double => "f64".to_owned(),
        Kind::Timestamp => timestamp(model, reference, shape)?.to_owned(),
        Kind::List => format!("Vec<{}>", part(&shape.member)?),
        // Keys that are enums stay text: an open enum has no order to sort a map by.
        Kind::Map => format!("std::collections::BTreeMap<String, {}>", part(&shape.value)?),
    })
}

/// The encoding follows from the place (Smithy: "timestampFormat trait", and the protocols' defaults).
fn timestamp(model: &Model, reference: &Reference, shape: &Shape) -> Result<&'static str, String> {
    let format = reference.timestamp_format.as_deref().or(shape.timestamp_format.as_deref());
    // The query protocol has text everywhere.
    let format = format.or((model.metadata.protocol == "query").then_some("iso8601"));
    match (format, reference.location.as_deref()) {
        (Some("unixTimestamp"), _) | (None, None) => Ok("crate::EpochSeconds"),
        (Some("iso8601"), _) | (None, Some("querystring" | "uri")) => Ok("crate::DateTime"),
        (format, place) => Err(format!(
            "'{}' is a timestamp in format {format:?} at {place:?}, which the generator does not write yet",
            reference.shape
        )),
    }
}

/// Derives of `Default` are for outputs with their dozens of optional members; a required enum has no default.
fn defaultable(model: &Model, name: &str, shape: &Shape, reach: &Reach) -> Result<bool, String> {
    for (member, reference) in &shape.members.0 {
        if !is_required(shape, member, name, reach) {
            continue;
        }
        let part = model.shape(&reference.shape)?;
        let has_default = match part.kind {
            Kind::Structure if part.document => true,
            Kind::Structure if part.is_one_of() => false,
            Kind::Structure => defaultable(model, &reference.shape, part, reach)?,
            Kind::String => part.values.is_empty(),
            Kind::Timestamp => false,
            _ => true,
        };
        if !has_default {
            return Ok(false);
        }
    }
    Ok(true)
}

fn is_required(shape: &Shape, member: &str, name: &str, reach: &Reach) -> bool {
    reach.input.contains(name) && shape.required.iter().any(|required| required == member)
}

/// Whether this member is the raw HTTP body.
pub(crate) fn is_payload_blob(
    model: &Model,
    shape: &Shape,
    member: &str,
    reference: &Reference,
) -> Result<bool, String> {
    Ok(shape.payload.as_deref() == Some(member) && model.shape(&reference.shape)?.kind == Kind::Blob)
}

/// The name under which serde knows the member: in a body the name on the wire, elsewhere the member's.
pub(crate) fn key<'a>(member: &'a str, reference: &'a Reference) -> &'a str {
    match (&reference.location, &reference.location_name) {
        (None, Some(name)) => name,
        _ => member,
    }
}
