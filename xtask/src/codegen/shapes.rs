//! Constraints and bindings of inputs as static tables.

use std::fmt::Write as _;

use serde_json::Number;

use super::model::{Kind, Model, Reference, Shape};
use super::reach::Reach;
use super::{names, query, text, types};

/// A module `shape` with one static for each shape that an input reaches.
pub(crate) fn emit(model: &Model, reach: &Reach) -> Result<String, String> {
    let mut out = String::new();
    for name in &reach.input {
        let shape = model.shape(name)?;
        let kind = kind(model, name, shape)?;
        writeln!(
            out,
            "pub(super) static {}: Shape = Shape {{ name: {name:?}, sensitive: {}, kind: {kind} }};",
            names::constant(name),
            shape.sensitive,
        )
        .map_err(text)?;
    }
    // An import without a use would be a warning in the generated file.
    let pattern = if out.contains("Pattern::new(") { "Pattern, " } else { "" };
    Ok(format!("mod shape {{\nuse crate::shape::{{Bounds, Kind, Member, {pattern}Place, Shape}};\n{out}}}\n"))
}

fn kind(model: &Model, name: &str, shape: &Shape) -> Result<String, String> {
    let part = |part: &Option<Reference>| match part {
        Some(part) => Ok(format!("&{}", names::constant(&part.shape))),
        None => Err(format!("the model of '{name}' lacks its element")),
    };
    if shape.document {
        return Ok("Kind::Document".to_owned());
    }
    Ok(match shape.kind {
        Kind::String => {
            let pattern = match &shape.pattern {
                Some(pattern) => format!("Some(Pattern::new({pattern:?}))"),
                None => "None".to_owned(),
            };
            format!(
                "Kind::String {{ length: {}, pattern: {pattern}, values: &{:?} }}",
                bounds(shape, whole)?,
                shape.values
            )
        }
        Kind::Blob => format!("Kind::Blob {{ length: {} }}", bounds(shape, whole)?),
        Kind::Boolean => "Kind::Boolean".to_owned(),
        Kind::Integer => format!("Kind::Integer {{ range: {} }}", bounds(shape, whole)?),
        Kind::Long => format!("Kind::Long {{ range: {} }}", bounds(shape, whole)?),
        Kind::Float | Kind::Double => format!("Kind::Double {{ range: {} }}", bounds(shape, fraction)?),
        Kind::Timestamp => "Kind::Timestamp".to_owned(),
        Kind::List => {
            format!(
                "Kind::List {{ length: {}, element: {}, flat: {:?} }}",
                bounds(shape, whole)?,
                part(&shape.member)?,
                query::flat(model, name)?
            )
        }
        Kind::Map => format!(
            "Kind::Map {{ length: {}, key: {}, value: {}, flat: {:?}, names: {:?} }}",
            bounds(shape, whole)?,
            part(&shape.key)?,
            part(&shape.value)?,
            query::flat(model, name)?,
            query::entry(model, name)?
        ),
        Kind::Structure => format!("Kind::Structure {{ members: &[{}] }}", members(model, shape)?),
    })
}

fn members(model: &Model, shape: &Shape) -> Result<String, String> {
    let mut out = String::new();
    for (name, reference) in &shape.members.0 {
        if reference.jsonvalue {
            return Err(format!("member '{name}' is a jsonvalue, which the generator does not write yet"));
        }
        write!(
            out,
            "Member {{ name: {name:?}, key: {:?}, required: {}, place: {}, shape: &{} }},",
            types::key(name, reference),
            shape.required.contains(name),
            place(model, shape, name, reference)?,
            names::constant(&reference.shape),
        )
        .map_err(text)?;
    }
    Ok(out)
}

/// Where in the HTTP message the member is, as an expression of type `Place`.
pub(crate) fn place(
    model: &Model,
    shape: &Shape,
    name: &str,
    reference: &Reference,
) -> Result<String, String> {
    let wire = reference.location_name.as_deref().unwrap_or(name);
    Ok(match reference.location.as_deref() {
        None if model.shape(&reference.shape)?.eventstream => "Place::EventStream".to_owned(),
        None if types::is_payload_blob(model, shape, name, reference)? => "Place::RawBody".to_owned(),
        None if shape.payload.as_deref() == Some(name) => "Place::WholeBody".to_owned(),
        None => "Place::Body".to_owned(),
        Some("uri") => format!("Place::Label({wire:?})"),
        Some("querystring") => format!("Place::Query({wire:?})"),
        // http's HeaderName::from_static wants lower case, and header names have no case.
        Some("header") => format!("Place::Header({:?})", wire.to_ascii_lowercase()),
        Some("statusCode") => "Place::Status".to_owned(),
        Some(other) => {
            return Err(format!(
                "member '{name}' is bound to '{other}', which the generator does not write yet"
            ));
        }
    })
}

fn bounds(shape: &Shape, print: fn(&Number) -> Result<String, String>) -> Result<String, String> {
    let bound = |value: &Option<Number>| match value {
        Some(value) => print(value).map(|value| format!("Some({value})")),
        None => Ok("None".to_owned()),
    };
    Ok(match (&shape.min, &shape.max) {
        (None, None) => "Bounds::NONE".to_owned(),
        (min, max) => format!("Bounds {{ min: {}, max: {} }}", bound(min)?, bound(max)?),
    })
}

fn whole(number: &Number) -> Result<String, String> {
    number.as_i64().map(|number| number.to_string()).ok_or_else(|| format!("{number} is not a whole number"))
}

fn fraction(number: &Number) -> Result<String, String> {
    number.as_f64().map(|number| format!("{number:?}")).ok_or_else(|| format!("{number} is not a number"))
}
