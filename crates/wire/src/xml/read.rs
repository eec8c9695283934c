//! The client's side: XML as serde's values, which say themselves whether they are structures, lists or maps.

use quick_xml::Reader;
use quick_xml::events::Event;
use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{Deserializer, Error as _, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

use crate::tree::DecodeError;

/// How deep elements may lie in each other; no shape comes near.
const DEPTH_MAX: usize = 32;

/// An element without its attributes, which the protocol does not use.
#[derive(Debug, Default)]
pub(crate) struct Element {
    name: String,
    text: String,
    children: Vec<Element>,
}

impl Element {
    /// The root of a document.
    pub(crate) fn parse(xml: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(xml).map_err(|error| error.to_string())?;
        let mut reader = Reader::from_str(text);
        let mut open = vec![Self::default()];
        loop {
            let event = reader.read_event().map_err(|error| error.to_string())?;
            let top = open.last_mut().expect("the document itself stays open");
            match event {
                Event::Start(start) => {
                    if open.len() > DEPTH_MAX {
                        return Err(format!("elements lie more than {DEPTH_MAX} deep in each other"));
                    }
                    open.push(Self::named(start.local_name().as_ref()));
                }
                Event::Empty(start) => top.children.push(Self::named(start.local_name().as_ref())),
                Event::End(_) => {
                    let closed = open.pop().expect("the reader refuses an end without its start");
                    open.last_mut().ok_or("an end without a start")?.children.push(closed);
                }
                Event::Text(text) => top.text.push_str(&text.xml10_content()),
                Event::CData(text) => top.text.push_str(&text),
                Event::GeneralRef(reference) => {
                    let resolved = match reference.resolve_char_ref().map_err(|error| error.to_string())? {
                        Some(character) => character.to_string(),
                        None => entity(&reference)?.to_owned(),
                    };
                    top.text.push_str(&resolved);
                }
                Event::Eof => break,
                _ => {}
            }
        }
        match open.as_mut_slice() {
            [document] => document.children.pop().ok_or_else(|| "there is no element".to_owned()),
            _ => Err("it ends within an element".to_owned()),
        }
    }

    fn named(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// The first child of this name.
    pub(crate) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of a child.
    pub(crate) fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.as_str())
    }
}

fn entity(name: &str) -> Result<&'static str, String> {
    quick_xml::escape::resolve_xml_entity(name).ok_or_else(|| format!("'&{name};' stands for nothing"))
}

macro_rules! parsed {
    ($($method:ident => $visit:ident),+) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
            match self.text.trim().parse() {
                Ok(value) => visitor.$visit(value),
                Err(_) => Err(DecodeError::custom(format!("'{}' in '{}' is not a value of its type", self.text, self.name))),
            }
        })+
    };
}

impl<'de> IntoDeserializer<'de, DecodeError> for &'de Element {
    type Deserializer = Self;
    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for &'de Element {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_borrowed_str(&self.text)
    }

    parsed!(deserialize_bool => visit_bool, deserialize_i32 => visit_i32, deserialize_i64 => visit_i64,
        deserialize_f64 => visit_f64);

    // What is absent has no element.
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        SeqDeserializer::new(self.children.iter()).deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let entries = self.children.iter().map(|entry| match (entry.text_of("key"), entry.child("value")) {
            (Some(key), Some(value)) => Ok((key, value)),
            _ => Err(DecodeError::custom(format!("an entry of '{}' has no key or no value", self.name))),
        });
        let entries = entries.collect::<Result<Vec<_>, _>>()?;
        MapDeserializer::new(entries.into_iter()).deserialize_map(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let members = self.children.iter().map(|child| (child.name.as_str(), child));
        MapDeserializer::new(members).deserialize_map(visitor)
    }

    forward_to_deserialize_any! {
        i8 i16 i128 u8 u16 u32 u64 u128 f32 char str string bytes byte_buf unit unit_struct tuple tuple_struct enum
        identifier ignored_any
    }
}
