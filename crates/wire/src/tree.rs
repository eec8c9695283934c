//! JSON that borrows from the request.
//!
//! Function code arrives as up to 70 MB of base64 in one string; borrowing it saves a copy that `serde_json::Value`
//! would make. Text from paths, queries and headers takes the same form, so that one walk checks all of an input.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, Expected, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
    Visitor,
};
use serde::forward_to_deserialize_any;

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Tree<'a> {
    Null,
    Boolean(bool),
    Integer(i64),
    Double(f64),
    String(Cow<'a, str>),
    /// A blob that has been decoded already.
    Bytes(Vec<u8>),
    List(Vec<Tree<'a>>),
    /// In the order of the text; a key may occur twice.
    Map(Vec<(Cow<'a, str>, Tree<'a>)>),
}

/// How many values one document may hold. The largest honest request has a few thousand; without a bound 70 MB of
/// `[0,0,0,…` would take a gigabyte here.
const VALUES_MAX: usize = 500_000;

impl<'a> Tree<'a> {
    /// Reads one JSON document.
    pub(crate) fn parse(json: &'a [u8]) -> Result<Self, serde_json::Error> {
        let budget = Cell::new(VALUES_MAX);
        let mut deserializer = serde_json::Deserializer::from_slice(json);
        let tree = AnyValue { budget: &budget }.deserialize(&mut deserializer)?;
        deserializer.end()?;
        Ok(tree)
    }

    /// The error for a value of another kind than is wanted.
    fn misplaced(&self, wanted: &dyn Expected) -> DecodeError {
        let found = match self {
            Tree::Null => Unexpected::Unit,
            Tree::Boolean(value) => Unexpected::Bool(*value),
            Tree::Integer(value) => Unexpected::Signed(*value),
            Tree::Double(value) => Unexpected::Float(*value),
            Tree::String(text) => Unexpected::Str(text),
            Tree::Bytes(bytes) => Unexpected::Bytes(bytes),
            Tree::List(_) => Unexpected::Seq,
            Tree::Map(_) => Unexpected::Map,
        };
        DecodeError::invalid_type(found, wanted)
    }

    /// The same with texts of its own. Documents are no deeper than the parser lets them be.
    pub(crate) fn into_owned(self) -> Tree<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        match self {
            Tree::Null => Tree::Null,
            Tree::Boolean(value) => Tree::Boolean(value),
            Tree::Integer(value) => Tree::Integer(value),
            Tree::Double(value) => Tree::Double(value),
            Tree::String(text) => Tree::String(owned(text)),
            Tree::Bytes(bytes) => Tree::Bytes(bytes),
            Tree::List(elements) => Tree::List(elements.into_iter().map(Tree::into_owned).collect()),
            Tree::Map(entries) => {
                Tree::Map(entries.into_iter().map(|(key, value)| (owned(key), value.into_owned())).collect())
            }
        }
    }
}

/// Reads any value and counts it.
#[derive(Clone, Copy)]
struct AnyValue<'b> {
    budget: &'b Cell<usize>,
}

impl<'de> DeserializeSeed<'de> for AnyValue<'_> {
    type Value = Tree<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tree<'de>, D::Error> {
        match self.budget.get().checked_sub(1) {
            Some(left) => self.budget.set(left),
            None => return Err(D::Error::custom(format!("more than {VALUES_MAX} values"))),
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for AnyValue<'_> {
    type Value = Tree<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_unit<E>(self) -> Result<Tree<'de>, E> {
        Ok(Tree::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Tree<'de>, E> {
        Ok(Tree::Boolean(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Tree<'de>, E> {
        Ok(Tree::Integer(value))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Tree<'de>, E> {
        // No member has 64 unsigned bits; as a double the value fails the check of every integer.
        #[allow(clippy::cast_precision_loss)]
        Ok(i64::try_from(value).map_or(Tree::Double(value as f64), Tree::Integer))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Tree<'de>, E> {
        Ok(Tree::Double(value))
    }
    fn visit_str<E>(self, value: &str) -> Result<Tree<'de>, E> {
        Ok(Tree::String(Cow::Owned(value.to_owned())))
    }
    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Tree<'de>, E> {
        Ok(Tree::String(Cow::Borrowed(value)))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tree<'de>, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = seq.next_element_seed(self)? {
            elements.push(element);
        }
        Ok(Tree::List(elements))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree<'de>, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, value)) = map.next_entry_seed(Key, self)? {
            entries.push((key, value));
        }
        Ok(Tree::Map(entries))
    }
}

/// Reads a key, borrowing it where no escape stands in the way, which `Cow`'s own `Deserialize` does not.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string key")
    }
    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(key.to_owned()))
    }
    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(key))
    }
}

/// What typed values are built from a tree with.
pub(crate) type DecodeError = serde::de::value::Error;

impl<'de> IntoDeserializer<'de, DecodeError> for Tree<'de> {
    type Deserializer = Self;
    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Tree<'de> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self {
            Tree::Null => visitor.visit_unit(),
            Tree::Boolean(value) => visitor.visit_bool(value),
            Tree::Integer(value) => visitor.visit_i64(value),
            Tree::Double(value) => visitor.visit_f64(value),
            Tree::String(Cow::Borrowed(value)) => visitor.visit_borrowed_str(value),
            Tree::String(Cow::Owned(value)) => visitor.visit_string(value),
            Tree::Bytes(value) => visitor.visit_byte_buf(value),
            Tree::List(elements) => SeqDeserializer::new(elements.into_iter()).deserialize_any(visitor),
            Tree::Map(entries) => MapDeserializer::new(entries.into_iter()).deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self {
            Tree::Null => visitor.visit_none(),
            other => visitor.visit_some(other),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_newtype_struct(self)
    }

    // There are hundreds of structures and lists, and each brings the code for all that its kind may be read from: for these
    // only what they are written as.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match self {
            Tree::Map(entries) => visitor.visit_map(MapDeserializer::new(entries.into_iter())),
            other => Err(other.misplaced(&visitor)),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_struct("", &[], visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self {
            Tree::List(elements) => visitor.visit_seq(SeqDeserializer::new(elements.into_iter())),
            other => Err(other.misplaced(&visitor)),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct tuple
        tuple_struct enum identifier ignored_any
    }
}
