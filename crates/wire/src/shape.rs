//! The form of the constraint tables that are generated for inputs.

pub(crate) use crate::pattern::Pattern;

/// A shape that an input reaches.
#[derive(Debug)]
pub(crate) struct Shape {
    /// AWS's name for it, which structures print in validation messages.
    pub(crate) name: &'static str,
    /// Values must appear in no message.
    pub(crate) sensitive: bool,
    pub(crate) kind: Kind,
}

/// What a shape is, with its constraints.
#[derive(Debug)]
pub(crate) enum Kind {
    /// Text; `length` counts characters, `values` is empty unless the shape is an enum.
    String {
        length: Bounds<i64>,
        pattern: Option<Pattern>,
        values: &'static [&'static str],
    },
    /// Bytes; `length` counts them decoded.
    Blob {
        length: Bounds<i64>,
    },
    Boolean,
    /// 32 bits.
    Integer {
        range: Bounds<i64>,
    },
    /// 64 bits.
    Long {
        range: Bounds<i64>,
    },
    Double {
        range: Bounds<f64>,
    },
    /// Any JSON value. Part of the table's form whether or not a model in use has one at the moment.
    #[allow(dead_code)]
    Document,
    /// A number in a body, text elsewhere.
    Timestamp,
    /// `length` counts elements.
    List {
        length: Bounds<i64>,
        element: &'static Shape,
        /// In forms the elements stand where the member would, under this name.
        flat: Option<&'static str>,
    },
    /// `length` counts entries.
    Map {
        length: Bounds<i64>,
        key: &'static Shape,
        value: &'static Shape,
        /// In forms the entries stand where the member would, under this name.
        flat: Option<&'static str>,
        /// What forms call an entry's key and value.
        names: (&'static str, &'static str),
    },
    Structure {
        members: &'static [Member],
    },
}

/// Inclusive bounds of a length or a value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds<T> {
    pub(crate) min: Option<T>,
    pub(crate) max: Option<T>,
}

impl<T> Bounds<T> {
    pub(crate) const NONE: Self = Self { min: None, max: None };
}

/// A member of a structure.
#[derive(Debug)]
pub(crate) struct Member {
    /// The model's name, which validation messages are worded with.
    pub(crate) name: &'static str,
    /// The name in JSON and in the generated type's serde.
    pub(crate) key: &'static str,
    pub(crate) required: bool,
    pub(crate) place: Place,
    pub(crate) shape: &'static Shape,
}

impl Member {
    /// What the member is called in forms.
    pub(crate) fn form_name(&self) -> &'static str {
        match self.shape.kind {
            Kind::List { flat: Some(flat), .. } | Kind::Map { flat: Some(flat), .. } => flat,
            _ => self.key,
        }
    }
}

/// Where in an HTTP message a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// A member of the JSON body.
    Body,
    /// The body is this blob.
    RawBody,
    /// The JSON body is this member's value.
    WholeBody,
    /// The body is a stream of events, which are encoded one by one.
    EventStream,
    /// A segment of the path.
    Label(&'static str),
    /// A parameter of the query string, repeated for a list.
    Query(&'static str),
    /// A header, in lower case.
    Header(&'static str),
    /// The response's status code.
    Status,
}

/// How a bound member's text reads in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scalar {
    Text,
    Number,
    #[allow(dead_code)]
    Boolean,
}
