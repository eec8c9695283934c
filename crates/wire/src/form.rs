//! The query protocol's requests: a form whose fields name members, elements and entries by their way from the top
//! (Smithy: "AWS query protocol", serialization).

use std::borrow::Cow;
use std::collections::BTreeMap;

use http::request::Parts;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};

use crate::decode::from_text;
use crate::encode::scalar_text;
use crate::error::Error;
use crate::operation::Operation;
use crate::path::{Path, Step};
use crate::route::query_pairs;
use crate::shape::{Kind, Member, Shape};
use crate::tree::Tree;
use crate::{Matched, Service, common};

/// How many fields one form may have. The largest honest ones, fifty tags, have a hundred; each is compared with each
/// member of its structure.
const FIELDS_MAX: usize = 10_000;

/// RFC 3986's unreserved characters stay as they are.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A field: the rest of its name below the value at hand, and its text.
type Field<'f> = (&'f str, &'f str);

impl Service {
    /// Finds the operation that a form asks for; the query string is a part of it.
    ///
    /// # Errors
    /// `MissingAction` and `InvalidAction` in this protocol's words, `MalformedInput` for what is no form.
    pub fn route_form(&'static self, parts: &Parts, body: &[u8]) -> Result<Matched, Error> {
        let form = Form::read(parts, body)?;
        let Some(action) = form.get("Action") else {
            return Err(common::missing_action("Missing Action"));
        };
        let version = form.get("Version").unwrap_or(self.version);
        let operation = self.operations.iter().find(|operation| operation.name == action);
        match operation {
            Some(operation) if version == self.version => Ok(Matched::of(operation, crate::Protocol::Query)),
            _ => Err(common::unknown_operation(format!(
                "Could not find operation {action} for version {version}"
            ))),
        }
    }
}

/// The fields of a request, decoded.
pub(crate) struct Form<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Form<'a> {
    /// Reads query string and body, in this order.
    pub(crate) fn read(parts: &'a Parts, body: &'a [u8]) -> Result<Self, Error> {
        let body = std::str::from_utf8(body).map_err(|_| malformed("the form is not UTF-8"))?;
        let mut fields = Vec::new();
        for pair in query_pairs(parts.uri.query().unwrap_or_default()).chain(query_pairs(body)) {
            if fields.len() == FIELDS_MAX {
                return Err(malformed(format!("the form has more than {FIELDS_MAX} fields")));
            }
            fields.push(pair.map_err(|_| malformed("a field of the form is not UTF-8 once decoded"))?);
        }
        Ok(Self(fields))
    }

    /// The last field of this name.
    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rfind(|(key, _)| key == name).map(|(_, text)| &**text)
    }

    /// The input's members, as a tree like that of a JSON body.
    pub(crate) fn tree(&self, members: &'static [Member]) -> Result<Tree<'static>, Error> {
        let fields: Vec<Field<'_>> = self.0.iter().map(|(key, text)| (&**key, &**text)).collect();
        structure(members, &fields, &mut Path::default())
    }
}

fn malformed(why: impl Into<String>) -> Error {
    common::serialization_exception(why)
}

fn structure(
    members: &'static [Member],
    fields: &[Field<'_>],
    path: &mut Path<'_>,
) -> Result<Tree<'static>, Error> {
    let mut found = Vec::new();
    for member in members {
        let below = below(fields, member.form_name());
        if below.is_empty() {
            continue;
        }
        let value = path.within(Step::Member(member.name), |path| value(member.shape, &below, path))?;
        found.push((Cow::Borrowed(member.key), value));
    }
    Ok(Tree::Map(found))
}

/// The fields of one name or below it, without that part of their names.
fn below<'f>(fields: &[Field<'f>], name: &str) -> Vec<Field<'f>> {
    let fields = fields.iter().filter_map(|(key, text)| {
        let rest = key.strip_prefix(name)?;
        let rest =
            if rest.is_empty() { rest } else { rest.strip_prefix('.').filter(|rest| !rest.is_empty())? };
        Some((rest, *text))
    });
    fields.collect()
}

fn value(shape: &'static Shape, fields: &[Field<'_>], path: &mut Path<'_>) -> Result<Tree<'static>, Error> {
    let misplaced = || malformed("Start of structure or map found where not expected.");
    match &shape.kind {
        Kind::Structure { members } => structure(members, fields, path),
        Kind::List { element, flat, .. } => {
            let elements = numbered(fields, (flat.is_none()).then_some("member"))?;
            let elements = elements.into_values().enumerate();
            elements
                .map(|(index, fields)| {
                    path.within(Step::Element(index), |path| value(element, &fields, path))
                })
                .collect::<Result<_, _>>()
                .map(Tree::List)
        }
        Kind::Map { key, value: entry, flat, names, .. } => {
            let mut entries = Vec::new();
            let numbered = numbered(fields, flat.is_none().then_some("entry"))?;
            for (index, fields) in numbered.into_values().enumerate() {
                let (name, text) = (below(&fields, names.0), below(&fields, names.1));
                let Tree::String(name) = value(key, &name, path)? else { return Err(misplaced()) };
                let text = path.within(Step::Element(index), |path| value(entry, &text, path))?;
                entries.push((name, text));
            }
            Ok(Tree::Map(entries))
        }
        // A scalar has one field and nothing below it.
        _ => match fields.iter().rfind(|(rest, _)| rest.is_empty()) {
            Some((_, text)) => from_text(shape, Tree::String((*text).to_owned().into()), path),
            None => Err(misplaced()),
        },
    }
}

/// The fields of `member.1`, `member.2`, …, of a flattened list those of `1`, `2`, …, by their numbers. Gaps close;
/// `List=` with nothing below is an empty list.
fn numbered<'f>(fields: &[Field<'f>], name: Option<&str>) -> Result<BTreeMap<u32, Vec<Field<'f>>>, Error> {
    let mut elements = BTreeMap::<u32, Vec<Field<'f>>>::new();
    for (rest, text) in fields.iter().filter(|(rest, _)| !rest.is_empty()) {
        let rest = match name {
            Some(name) => rest.strip_prefix(name).and_then(|rest| rest.strip_prefix('.')),
            None => Some(*rest),
        };
        let (number, rest) = rest.map(|rest| rest.split_once('.').unwrap_or((rest, ""))).unwrap_or_default();
        let number = number.parse().map_err(|_| malformed("Unexpected list element termination"))?;
        elements.entry(number).or_default().push((rest, text));
    }
    Ok(elements)
}

/// The form of an input, as clients send it.
pub(crate) fn encode(operation: &Operation, members: &Map<String, Value>) -> String {
    let mut form = format!("Action={}&Version={}", operation.name, operation.service.version);
    write_members(operation.members(), members, "", &mut form);
    form
}

fn write_members(members: &[Member], values: &Map<String, Value>, prefix: &str, form: &mut String) {
    for member in members {
        if let Some(value) = values.get(member.key) {
            write(member.shape, value, &format!("{prefix}{}", member.form_name()), form);
        }
    }
}

fn write(shape: &Shape, value: &Value, name: &str, form: &mut String) {
    match (&shape.kind, value) {
        (Kind::Structure { .. }, Value::Object(values)) if values.is_empty() => field(name, "", form),
        (Kind::Structure { members }, Value::Object(values)) => {
            write_members(members, values, &format!("{name}."), form);
        }
        (Kind::List { .. }, Value::Array(elements)) if elements.is_empty() => field(name, "", form),
        (Kind::List { element, flat, .. }, Value::Array(elements)) => {
            let step = if flat.is_some() { "" } else { ".member" };
            for (index, value) in elements.iter().enumerate() {
                write(element, value, &format!("{name}{step}.{}", index + 1), form);
            }
        }
        (Kind::Map { value: entry, flat, names, .. }, Value::Object(entries)) => {
            let step = if flat.is_some() { "" } else { ".entry" };
            for (index, (key, value)) in entries.iter().enumerate() {
                let name = format!("{name}{step}.{}", index + 1);
                field(&format!("{name}.{}", names.0), key, form);
                write(entry, value, &format!("{name}.{}", names.1), form);
            }
        }
        (_, value) => field(name, &scalar_text(value), form),
    }
}

fn field(name: &str, text: &str, form: &mut String) {
    form.push('&');
    form.extend(utf8_percent_encode(name, ENCODED));
    form.push('=');
    form.extend(utf8_percent_encode(text, ENCODED));
}
