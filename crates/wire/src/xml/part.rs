//! Serde's values as the content of an element.

use serde::ser::{Impossible, Serialize, SerializeMap, SerializeSeq, SerializeStruct, Serializer};

use super::{Unfit, element, escaped};
use crate::operation::Flat;

/// Writes one value.
pub(super) struct Writer<'o> {
    out: &'o mut String,
    /// What the service flattens.
    table: &'static [Flat],
    /// How the value at hand is flattened, if it is.
    flat: Option<&'static Flat>,
}

impl<'o> Writer<'o> {
    pub(super) fn new(out: &'o mut String, table: &'static [Flat]) -> Self {
        Self { out, table, flat: None }
    }
}

fn rendered<T: Serialize + ?Sized>(value: &T, table: &'static [Flat]) -> Result<String, Unfit> {
    let mut text = String::new();
    value.serialize(Writer::new(&mut text, table))?;
    Ok(text)
}

macro_rules! texts {
    ($($method:ident: $type:ty),+) => {
        $(fn $method(self, value: $type) -> Result<(), Unfit> {
            self.out.push_str(&value.to_string());
            Ok(())
        })+
    };
}

macro_rules! none_of {
    ($($method:ident($($argument:ident: $type:ty),*) -> $answer:ty),+ $(,)?) => {
        $(fn $method(self, $($argument: $type),*) -> Result<$answer, Unfit> {
            $(let _ = $argument;)*
            Err(Unfit("no shape is made of tuples".to_owned()))
        })+
    };
}

impl<'o> Serializer for Writer<'o> {
    type Ok = ();
    type Error = Unfit;
    type SerializeSeq = Elements<'o>;
    type SerializeTuple = Impossible<(), Unfit>;
    type SerializeTupleStruct = Impossible<(), Unfit>;
    type SerializeTupleVariant = Impossible<(), Unfit>;
    type SerializeMap = Entries<'o>;
    type SerializeStruct = Members<'o>;
    type SerializeStructVariant = Impossible<(), Unfit>;

    texts!(serialize_bool: bool, serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_f32: f32,
        serialize_f64: f64, serialize_char: char);

    fn serialize_str(self, value: &str) -> Result<(), Unfit> {
        self.out.push_str(&escaped(value));
        Ok(())
    }

    fn serialize_none(self) -> Result<(), Unfit> {
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Unfit> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Unfit> {
        Ok(())
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), Unfit> {
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<(), Unfit> {
        value.serialize(self)
    }

    fn serialize_seq(self, _len: Option<usize>) -> Result<Elements<'o>, Unfit> {
        Ok(Elements { tag: self.flat.map_or("member", |flat| flat.name), out: self.out, table: self.table })
    }

    fn serialize_map(self, _len: Option<usize>) -> Result<Entries<'o>, Unfit> {
        Ok(Entries { out: self.out, table: self.table, flat: self.flat, key: String::new() })
    }

    fn serialize_struct(self, name: &'static str, _len: usize) -> Result<Members<'o>, Unfit> {
        Ok(Members { out: self.out, table: self.table, structure: name })
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Unfit> {
        element(self.out, variant, &rendered(value, self.table)?);
        Ok(())
    }

    none_of! {
        serialize_bytes(value: &[u8]) -> (),
        serialize_unit_variant(name: &'static str, index: u32, variant: &'static str) -> (),
        serialize_tuple(len: usize) -> Impossible<(), Unfit>,
        serialize_tuple_struct(name: &'static str, len: usize) -> Impossible<(), Unfit>,
        serialize_tuple_variant(name: &'static str, index: u32, variant: &'static str, len: usize) -> Impossible<(), Unfit>,
        serialize_struct_variant(name: &'static str, index: u32, variant: &'static str, len: usize) -> Impossible<(), Unfit>,
    }
}

/// A list: `<member>…</member>` for each element, or the name of its own where it is flattened.
pub(super) struct Elements<'o> {
    out: &'o mut String,
    table: &'static [Flat],
    tag: &'static str,
}

impl SerializeSeq for Elements<'_> {
    type Ok = ();
    type Error = Unfit;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unfit> {
        element(self.out, self.tag, &rendered(value, self.table)?);
        Ok(())
    }

    fn end(self) -> Result<(), Unfit> {
        Ok(())
    }
}

/// A map: `<entry><key>…</key><value>…</value></entry>`.
pub(super) struct Entries<'o> {
    out: &'o mut String,
    table: &'static [Flat],
    flat: Option<&'static Flat>,
    key: String,
}

impl SerializeMap for Entries<'_> {
    type Ok = ();
    type Error = Unfit;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Unfit> {
        self.key = rendered(key, self.table)?;
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unfit> {
        let (tag, key, inner) =
            self.flat.map_or(("entry", "key", "value"), |flat| (flat.name, flat.key, flat.value));
        let mut entry = String::new();
        element(&mut entry, key, &self.key);
        element(&mut entry, inner, &rendered(value, self.table)?);
        element(self.out, tag, &entry);
        Ok(())
    }

    fn end(self) -> Result<(), Unfit> {
        Ok(())
    }
}

/// A structure: an element for each member that is there.
pub(super) struct Members<'o> {
    out: &'o mut String,
    table: &'static [Flat],
    structure: &'static str,
}

impl SerializeStruct for Members<'_> {
    type Ok = ();
    type Error = Unfit;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Unfit> {
        // Absent members are skipped by their attributes.
        match self.table.iter().find(|flat| flat.structure == self.structure && flat.member == key) {
            Some(flat) => value.serialize(Writer { out: self.out, table: self.table, flat: Some(flat) }),
            None => {
                element(self.out, key, &rendered(value, self.table)?);
                Ok(())
            }
        }
    }

    fn end(self) -> Result<(), Unfit> {
        Ok(())
    }
}
