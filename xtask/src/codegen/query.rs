//! How lists and maps are called in forms and in XML.
//!
//! By default an element is `member` and an entry `entry` with `key` and `value` (Smithy: "AWS query protocol"). A model
//! of that protocol may name keys and values itself. A model that has moved on to JSON and still serves the query
//! protocol (`awsQueryCompatible`) has kept which of its lists and maps are flattened, and lost their names.

use std::fmt::Write as _;

use super::model::{Kind, Model, Reference, Shape};
use super::reach::Reach;
use super::{names, text};

/// Names that do not follow from those of the shapes (Amazon SQS API Reference: the parameters of the operations, as
/// `Attribute.N.Name`).
const FLAT: [(&str, &str); 8] = [
    ("BinaryList", "BinaryListValue"),
    ("MessageBodyAttributeMap", "MessageAttribute"),
    ("MessageBodySystemAttributeMap", "MessageSystemAttribute"),
    ("MessageSystemAttributeList", "MessageSystemAttributeName"),
    ("MessageSystemAttributeMap", "Attribute"),
    ("QueueAttributeMap", "Attribute"),
    ("StringList", "StringListValue"),
    ("TagMap", "Tag"),
];

/// What the elements of a flattened list or map are called, which stand where the member would.
pub(crate) fn flat(model: &Model, name: &str) -> Result<Option<String>, String> {
    let shape = model.shape(name)?;
    let used_flat =
        || model.shapes.values().flat_map(Shape::parts).any(|part| part.shape == name && part.flattened);
    if model.metadata.aws_query_compatible.is_none() {
        return match model.metadata.protocol.as_str() {
            "query" if shape.flattened => {
                Err(format!("'{name}' is flattened, which the generator writes for JSON models alone"))
            }
            _ => Ok(None),
        };
    }
    if !matches!(shape.kind, Kind::List | Kind::Map) || !(shape.flattened || used_flat()) {
        return Ok(None);
    }
    if let Some((_, flat)) = FLAT.iter().find(|(known, _)| *known == name) {
        return Ok(Some((*flat).to_owned()));
    }
    let flat = name.strip_suffix("List").filter(|_| shape.kind == Kind::List);
    flat.map(|flat| Some(flat.to_owned()))
        .ok_or_else(|| format!("'{name}' has no name in query; add it to FLAT"))
}

/// What key and value of a map's entries are called.
pub(crate) fn entry(model: &Model, name: &str) -> Result<(String, String), String> {
    let shape = model.shape(name)?;
    let named = |part: &Option<Reference>, default: &str| {
        let named = part.as_ref().and_then(|part| part.location_name.clone());
        named.unwrap_or_else(|| default.to_owned())
    };
    Ok(match flat(model, name)?.as_deref() {
        Some("Tag") => ("Key".to_owned(), "Value".to_owned()),
        Some(_) => ("Name".to_owned(), "Value".to_owned()),
        None => (named(&shape.key, "key"), named(&shape.value, "value")),
    })
}

/// A list whose elements had a name of their own would be written wrongly.
pub(crate) fn check(model: &Model, name: &str) -> Result<(), String> {
    let element = model.shape(name)?.member.as_ref().and_then(|member| member.location_name.as_deref());
    match element {
        Some(other) if model.metadata.protocol == "query" && other != "member" => {
            Err(format!("'{name}' calls its elements '{other}', which the generator does not write yet"))
        }
        _ => Ok(()),
    }
}

/// `FLAT`: the members of outputs that are flattened in XML; empty for all services but those with two protocols.
pub(crate) fn emit(model: &Model, reach: &Reach) -> Result<String, String> {
    let mut rows = String::new();
    for name in &reach.output {
        for (member, reference) in &model.shape(name)?.members.0 {
            let Some(flat) = flat(model, &reference.shape)? else { continue };
            let (key, value) = entry(model, &reference.shape)?;
            write!(
                rows,
                "crate::operation::Flat {{ structure: {:?}, member: {member:?}, name: {flat:?}, key: {key:?}, value: {value:?} }},",
                names::type_name(name)
            )
            .map_err(text)?;
        }
    }
    Ok(format!("static FLAT: &[crate::operation::Flat] = &[{rows}];\n"))
}
