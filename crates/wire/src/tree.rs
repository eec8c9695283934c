//! JSON that borrows from the request.
//!
//! Function code arrives as up to 70 MB of base64 in one string; borrowing it saves a copy that `serde_json::Value`
//! would make. Text from paths, queries and headers takes the same form, so that one walk checks all of an input.

use std::borrow::Cow;
use std::fmt;

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{Deserialize, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Tree<'a> {
    Null,
    Boolean(bool),
    Integer(i64),
    Double(f64),
    String(Cow<'a, str>),
    List(Vec<Tree<'a>>),
    /// In the order of the text; a key may occur twice.
    Map(Vec<(Cow<'a, str>, Tree<'a>)>),
}

impl<'de: 'a, 'a> Deserialize<'de> for Tree<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue(std::marker::PhantomData))
    }
}

struct AnyValue<'a>(std::marker::PhantomData<&'a ()>);

impl<'de: 'a, 'a> Visitor<'de> for AnyValue<'a> {
    type Value = Tree<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_unit<E>(self) -> Result<Tree<'a>, E> {
        Ok(Tree::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Tree<'a>, E> {
        Ok(Tree::Boolean(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Tree<'a>, E> {
        Ok(Tree::Integer(value))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Tree<'a>, E> {
        // No member has 64 unsigned bits; as a double the value fails the check of every integer.
        #[allow(clippy::cast_precision_loss)]
        Ok(i64::try_from(value).map_or(Tree::Double(value as f64), Tree::Integer))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Tree<'a>, E> {
        Ok(Tree::Double(value))
    }
    fn visit_str<E>(self, value: &str) -> Result<Tree<'a>, E> {
        Ok(Tree::String(Cow::Owned(value.to_owned())))
    }
    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Tree<'a>, E> {
        Ok(Tree::String(Cow::Borrowed(value)))
    }
    fn visit_string<E>(self, value: String) -> Result<Tree<'a>, E> {
        Ok(Tree::String(Cow::Owned(value)))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tree<'a>, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = seq.next_element()? {
            elements.push(element);
        }
        Ok(Tree::List(elements))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree<'a>, A::Error> {
        let mut entries = Vec::new();
        while let Some((Key(key), value)) = map.next_entry()? {
            entries.push((key, value));
        }
        Ok(Tree::Map(entries))
    }
}

/// A key that borrows where it can, which `Cow`'s own `Deserialize` does not.
struct Key<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Key<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Tree::deserialize(deserializer)? {
            Tree::String(text) => Ok(Self(text)),
            other => Err(serde::de::Error::custom(format!("{other:?} cannot be a key"))),
        }
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

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct enum identifier ignored_any
    }
}
