//! Serde's values as the content of an element.

use serde::ser::{Impossible, Serialize, SerializeMap, SerializeSeq, SerializeStruct, Serializer};

use super::{Unfit, element, escaped};

/// Writes one value.
pub(super) struct Writer<'o> {
    pub(super) out: &'o mut String,
}

fn rendered<T: Serialize + ?Sized>(value: &T) -> Result<String, Unfit> {
    let mut text = String::new();
    value.serialize(Writer { out: &mut text })?;
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
        Ok(Elements { out: self.out })
    }

    fn serialize_map(self, _len: Option<usize>) -> Result<Entries<'o>, Unfit> {
        Ok(Entries { out: self.out, key: String::new() })
    }

    fn serialize_struct(self, _name: &'static str, _len: usize) -> Result<Members<'o>, Unfit> {
        Ok(Members { out: self.out })
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Unfit> {
        element(self.out, variant, &rendered(value)?);
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

/// A list: `<member>…</member>` for each element.
pub(super) struct Elements<'o> {
    out: &'o mut String,
}

impl SerializeSeq for Elements<'_> {
    type Ok = ();
    type Error = Unfit;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unfit> {
        element(self.out, "member", &rendered(value)?);
        Ok(())
    }

    fn end(self) -> Result<(), Unfit> {
        Ok(())
    }
}

/// A map: `<entry><key>…</key><value>…</value></entry>`.
pub(super) struct Entries<'o> {
    out: &'o mut String,
    key: String,
}

impl SerializeMap for Entries<'_> {
    type Ok = ();
    type Error = Unfit;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Unfit> {
        self.key = rendered(key)?;
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unfit> {
        let mut entry = String::new();
        element(&mut entry, "key", &self.key);
        element(&mut entry, "value", &rendered(value)?);
        element(self.out, "entry", &entry);
        Ok(())
    }

    fn end(self) -> Result<(), Unfit> {
        Ok(())
    }
}

/// A structure: an element for each member that is there.
pub(super) struct Members<'o> {
    out: &'o mut String,
}

impl SerializeStruct for Members<'_> {
    type Ok = ();
    type Error = Unfit;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Unfit> {
        // Absent members are skipped by their attributes.
        element(self.out, key, &rendered(value)?);
        Ok(())
    }

    fn end(self) -> Result<(), Unfit> {
        Ok(())
    }
}
