//! `parse`: parts of a text become fields.

use super::ast::Parse;
use super::eval::Fields;
use super::eval::eval;
use super::value::Value;

/// The fields that a `parse` finds in a row; none where the pattern does not match.
pub(super) fn extract(parse: &Parse, row: &impl Fields) -> Vec<(String, Value<'static>)> {
    let value = eval(&parse.from, row);
    let text = value.as_text();
    let Some(found) = parse.pattern.captures(&text) else { return Vec::new() };
    let fields = parse.names.iter().enumerate().filter_map(|(index, name)| {
        // By name where the pattern has one of it, by place otherwise.
        let part = found.name(name).or_else(|| found.get(index + 1))?;
        Some((name.clone(), Value::Text(part.as_str().to_owned().into())))
    });
    fields.collect()
}
