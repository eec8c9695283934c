//! From a request to a typed input.
//!
//! Labels, query, headers and body are gathered into one tree, known members only, each checked for its type
//! (`SerializationException`). The constraints are checked on that tree (`ValidationException`, in `constraint`), so
//! that building the typed value has nothing left to complain about but base64.

use std::borrow::Cow;
use std::fmt::Display;
use std::ops::Range;

use bytes::Bytes;
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::error::Error;
use crate::form::Form;
use crate::operation::{Call, Operation, Protocol};
use crate::overrides::Overrides;
use crate::path::{Path, Step};
use crate::route::{Matched, query_pairs};
use crate::shape::{Kind, Member, Place, Shape};
use crate::tree::Tree;
use crate::{Blob, common, constraint, large};

impl Matched {
    /// Reads the input and checks it against the model's constraints.
    ///
    /// # Errors
    /// `SerializationException` where the request cannot be read, `ValidationException` where it breaks a constraint.
    ///
    /// # Panics
    /// When asked for another operation than [`Matched::operation`], which is a mistake in the calling code.
    pub fn decode<C: Call>(&self, parts: &Parts, body: Bytes) -> Result<C::Input, Error> {
        let operation = self.operation();
        assert!(std::ptr::eq(operation, C::OPERATION), "a request for {} decoded as another", operation.name);
        let mut tree = self.checked(operation, parts, &body)?;
        if let Some(text) = large::lift(operation.members(), &mut tree, &body) {
            // Whoever has a blob in a document has no body beside it.
            return lowered(operation, tree.into_owned(), body, text).and_then(typed);
        }
        let mut input = typed::<C::Input>(tree)?;
        if let Some(payload) = C::input_payload(&mut input) {
            // An empty body is the absence of a payload; HTTP cannot tell the two apart.
            *payload = (!body.is_empty()).then(|| Blob::from(body));
        }
        Ok(input)
    }

    /// What of this is the same for all operations, of which there are hundreds.
    fn checked<'a>(
        &'a self,
        operation: &Operation,
        parts: &'a Parts,
        body: &'a [u8],
    ) -> Result<Tree<'a>, Error> {
        let tree = self.gather(operation, parts, body)?;
        constraint::check(&tree, operation.members(), Overrides::of(operation))?;
        Ok(tree)
    }

    /// The members that are present, under their keys, in the model's order.
    pub(crate) fn gather<'a>(
        &'a self,
        operation: &Operation,
        parts: &'a Parts,
        body: &'a [u8],
    ) -> Result<Tree<'a>, Error> {
        let members = operation.members();
        let mut document = match self.dialect().protocol {
            Protocol::Query => Some(Form::read(parts, body)?.tree(members)?),
            _ => read_document(members, body)?,
        };
        let mut fields = Vec::with_capacity(members.len());
        let mut path = Path::default();
        for member in members {
            let found = match member.place {
                Place::Body => take(&mut document, member.key),
                Place::WholeBody => document.take(),
                Place::Label(name) => self.label(name).map(|text| Tree::String(text.into())),
                Place::Query(name) => query_value(parts, name, member.shape)?,
                Place::Header(name) => header_value(parts, name)?,
                Place::RawBody | Place::EventStream | Place::Status => None,
            };
            let Some(found) = found else { continue };
            let bound = !matches!(member.place, Place::Body | Place::WholeBody);
            let admitted = path.within(Step::Member(member.name), |path| {
                let found = if bound { from_text(member.shape, found, path)? } else { found };
                admit(member.shape, found, path)
            })?;
            if admitted != Tree::Null {
                fields.push((Cow::Borrowed(member.key), admitted));
            }
        }
        Ok(Tree::Map(fields))
    }
}

/// The tree with the large blob that was taken out of it, decoded.
fn lowered(
    operation: &Operation,
    mut tree: Tree<'static>,
    body: Bytes,
    text: Range<usize>,
) -> Result<Tree<'static>, Error> {
    let decoded = large::lower(operation.members(), &mut tree, body, text);
    decoded.map_err(|error| unreadable(&format_args!("invalid base64: {error}")))?;
    Ok(tree)
}

// Not twice into each operation's code.
#[inline(never)]
fn typed<T: DeserializeOwned>(tree: Tree<'_>) -> Result<T, Error> {
    T::deserialize(tree).map_err(|error| unreadable(&error))
}

fn unreadable(error: &dyn Display) -> Error {
    common::serialization_exception(format!("cannot read the request: {error}"))
}

/// The JSON body, where the operation has members in it. An empty body is an empty object.
fn read_document<'a>(members: &[Member], body: &'a [u8]) -> Result<Option<Tree<'a>>, Error> {
    let whole = members.iter().any(|member| member.place == Place::WholeBody);
    if body.is_empty() || !(whole || members.iter().any(|member| member.place == Place::Body)) {
        return Ok(None);
    }
    let tree = Tree::parse(body).map_err(|error| {
        common::serialization_exception(format!("cannot parse the request body as JSON: {error}"))
    })?;
    match tree {
        Tree::Map(_) => Ok(Some(tree)),
        _ => Err(common::serialization_exception("the request body is not a JSON object")),
    }
}

/// Takes the last value of `key` out of an object: JSON parsers let the last one win.
fn take<'a>(document: &mut Option<Tree<'a>>, key: &str) -> Option<Tree<'a>> {
    let Some(Tree::Map(entries)) = document else { return None };
    let (_, value) = entries.iter_mut().rfind(|(name, _)| name == key)?;
    Some(std::mem::replace(value, Tree::Null))
}

fn query_value<'a>(parts: &'a Parts, name: &str, shape: &Shape) -> Result<Option<Tree<'a>>, Error> {
    let mut values = Vec::new();
    for pair in query_pairs(parts.uri.query().unwrap_or_default()) {
        let (key, value) =
            pair.map_err(|_| common::serialization_exception("the query string is not UTF-8 once decoded"))?;
        if key == name {
            values.push(Tree::String(value));
        }
    }
    if values.is_empty() {
        return Ok(None);
    }
    // Of a parameter that is no list the first occurrence counts.
    Ok(if let Kind::List { .. } = shape.kind { Some(Tree::List(values)) } else { values.into_iter().next() })
}

fn header_value<'a>(parts: &'a Parts, name: &str) -> Result<Option<Tree<'a>>, Error> {
    let Some(value) = parts.headers.get(name) else { return Ok(None) };
    let text = std::str::from_utf8(value.as_bytes())
        .map_err(|_| common::serialization_exception(format!("the header '{name}' is not UTF-8")))?;
    Ok(Some(Tree::String(text.into())))
}

/// Gives text from outside the body the type of its member.
pub(crate) fn from_text<'a>(shape: &Shape, tree: Tree<'a>, path: &Path<'_>) -> Result<Tree<'a>, Error> {
    let text = match tree {
        Tree::String(text) => text,
        // A list in the query string: each of its elements is text.
        Tree::List(elements) => {
            let Kind::List { element, .. } = shape.kind else { return Ok(Tree::List(elements)) };
            let elements = elements.into_iter().map(|text| from_text(element, text, path));
            return elements.collect::<Result<_, _>>().map(Tree::List);
        }
        other => return Ok(other),
    };
    let parsed = match shape.kind {
        Kind::Boolean => text.parse().ok().map(Tree::Boolean),
        Kind::Integer { .. } | Kind::Long { .. } => text.parse().ok().map(Tree::Integer),
        Kind::Double { .. } => text.parse().ok().filter(|number: &f64| number.is_finite()).map(Tree::Double),
        _ => return Ok(Tree::String(text)),
    };
    parsed.ok_or_else(|| mismatch("STRING_VALUE", shape, path))
}

/// Checks types all the way down, drops what the model does not know and members that are null.
fn admit<'a>(shape: &'static Shape, tree: Tree<'a>, path: &mut Path<'_>) -> Result<Tree<'a>, Error> {
    match (&shape.kind, tree) {
        (Kind::Document, any) => Ok(any),
        // Nulls in lists and maps are left for the constraints to name.
        (_, Tree::Null) => Ok(Tree::Null),
        (Kind::Structure { members }, Tree::Map(entries)) => admit_structure(members, entries, path),
        (Kind::List { element, .. }, Tree::List(elements)) => {
            let elements = elements.into_iter().enumerate();
            elements
                .map(|(index, value)| path.within(Step::Element(index), |path| admit(element, value, path)))
                .collect::<Result<_, _>>()
                .map(Tree::List)
        }
        (Kind::Map { value, .. }, Tree::Map(entries)) => {
            let entries = entries.into_iter();
            entries
                .map(|(key, entry)| Ok((key, admit(value, entry, path)?)))
                .collect::<Result<_, _>>()
                .map(Tree::Map)
        }
        (Kind::String { .. } | Kind::Blob { .. }, tree @ Tree::String(_))
        | (Kind::Boolean, tree @ Tree::Boolean(_))
        | (Kind::Long { .. }, tree @ Tree::Integer(_))
        | (Kind::Double { .. }, tree @ Tree::Double(_))
        // Whether text is a timestamp is known only when it is read into the typed value.
        | (Kind::Timestamp, tree @ (Tree::Integer(_) | Tree::Double(_) | Tree::String(_))) => Ok(tree),
        (Kind::Integer { .. }, Tree::Integer(value)) if i32::try_from(value).is_ok() => Ok(Tree::Integer(value)),
        (Kind::Integer { .. } | Kind::Long { .. }, Tree::Double(value)) => whole(shape, value, path),
        #[allow(clippy::cast_precision_loss)]
        (Kind::Double { .. }, Tree::Integer(value)) => Ok(Tree::Double(value as f64)),
        (_, other) => Err(mismatch(token(&other), shape, path)),
    }
}

fn admit_structure<'a>(
    members: &'static [Member],
    entries: Vec<(Cow<'a, str>, Tree<'a>)>,
    path: &mut Path<'_>,
) -> Result<Tree<'a>, Error> {
    let mut document = Some(Tree::Map(entries));
    let mut fields = Vec::new();
    for member in members {
        let Some(value) = take(&mut document, member.key) else { continue };
        let admitted = path.within(Step::Member(member.name), |path| admit(member.shape, value, path))?;
        if admitted != Tree::Null {
            fields.push((Cow::Borrowed(member.key), admitted));
        }
    }
    Ok(Tree::Map(fields))
}

/// `3.0` is the integer 3; `3.5` is no integer, and nothing beyond 32 bits is one for a 32-bit member.
fn whole<'a>(shape: &Shape, value: f64, path: &Path<'_>) -> Result<Tree<'a>, Error> {
    let in_range = value.fract() == 0.0 && value.abs() <= f64::from(i32::MAX);
    // In range by the check before.
    #[allow(clippy::cast_possible_truncation)]
    if in_range { Ok(Tree::Integer(value as i64)) } else { Err(mismatch("DECIMAL_VALUE", shape, path)) }
}

/// What AWS calls the JSON token in its messages.
fn token(tree: &Tree<'_>) -> &'static str {
    match tree {
        Tree::Null => "NULL_VALUE",
        Tree::Boolean(true) => "TRUE_VALUE",
        Tree::Boolean(false) => "FALSE_VALUE",
        Tree::Integer(_) => "NUMBER_VALUE",
        Tree::Double(_) => "DECIMAL_VALUE",
        Tree::String(_) | Tree::Bytes(_) => "STRING_VALUE",
        Tree::List(_) => "START_ARRAY",
        Tree::Map(_) => "START_OBJECT",
    }
}

fn mismatch(token: &str, shape: &Shape, path: &Path<'_>) -> Error {
    let wanted = match shape.kind {
        Kind::String { .. } => "a String",
        Kind::Blob { .. } => "a Blob",
        Kind::Boolean => "a Boolean",
        Kind::Integer { .. } => "an Integer",
        Kind::Long { .. } => "a Long",
        Kind::Double { .. } => "a Double",
        Kind::Timestamp => "a Timestamp",
        Kind::Document => "a Document",
        Kind::List { .. } => "a List",
        Kind::Map { .. } => "a Map",
        Kind::Structure { .. } => "a Structure",
    };
    common::serialization_exception(format!("{token} can not be converted to {wanted} (at '{path}')"))
}
