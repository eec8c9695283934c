//! The fields of an event: those that CloudWatch makes, those of Lambda's own records, those of JSON in the message
//! (User Guide, "Supported logs and discovered fields").

use std::cell::OnceCell;

use serde_json::Value as Json;

use super::eval::Fields;
use super::value::Value;

/// Fields that are looked for in one JSON event (User Guide, "Fields in JSON logs").
const FIELDS_MAX: usize = 1_000;

/// An event with its fields, which are found when they are asked for.
pub(crate) struct Row<'a> {
    pub(crate) at_ms: i64,
    pub(crate) ingested_ms: i64,
    pub(crate) message: &'a str,
    pub(crate) stream: &'a str,
    /// `ACCOUNT:GROUP`
    pub(crate) log: &'a str,
    /// What finds this event again.
    pub(crate) pointer: &'a dyn Fn() -> String,
    /// Whether the platform wrote it: a function that prints a REPORT line changes no figure.
    pub(crate) platform: bool,
    json: OnceCell<Option<Json>>,
    computed: Vec<(String, Value<'static>)>,
}

impl<'a> Row<'a> {
    pub(crate) fn new(
        (at_ms, ingested_ms): (i64, i64),
        (log, stream): (&'a str, &'a str),
        message: &'a str,
        platform: bool,
        pointer: &'a dyn Fn() -> String,
    ) -> Self {
        let (json, computed) = (OnceCell::new(), Vec::new());
        Self { at_ms, ingested_ms, message, stream, log, pointer, platform, json, computed }
    }

    /// Gives the row a field, in the place of another of that name.
    pub(super) fn set(&mut self, name: &str, value: Value<'static>) {
        match self.computed.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => self.computed.push((name.to_owned(), value)),
        }
    }

    fn json(&self) -> Option<&Json> {
        self.json.get_or_init(|| json_in(self.message)).as_ref()
    }

    fn own(&self, name: &str) -> Value<'_> {
        match name {
            "@timestamp" => Value::Time(self.at_ms),
            "@ingestionTime" => Value::Time(self.ingested_ms),
            "@message" => Value::text(self.message.trim_end_matches('\n')),
            "@logStream" => Value::text(self.stream),
            "@log" => Value::text(self.log),
            "@ptr" => Value::Text((self.pointer)().into()),
            _ => self.of_lambda(name),
        }
    }

    /// What Lambda's records say; memory in bytes, of which a megabyte has a million here.
    fn of_lambda(&self, name: &str) -> Value<'_> {
        if name == "@requestId" {
            return self.request_id();
        }
        if !self.platform {
            return Value::Null;
        }
        let (first, rest) = self.message.split_once(' ').unwrap_or((self.message, ""));
        let is_record = first.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
        let (label, factor) = match name {
            "@type" if is_record => return Value::text(first.trim_end()),
            "@duration" => ("Duration", 1.0),
            "@billedDuration" => ("Billed Duration", 1.0),
            "@initDuration" => ("Init Duration", 1.0),
            "@memorySize" => ("Memory Size", 1e6),
            "@maxMemoryUsed" => ("Max Memory Used", 1e6),
            "@xrayTraceId" => ("XRAY TraceId", 0.0),
            _ => return Value::Null,
        };
        let parts = rest.split('\t').filter_map(|part| part.trim().split_once(": "));
        let found =
            parts.into_iter().find(|(key, _)| *key == label && first == "REPORT").map(|(_, value)| value);
        match found {
            None => Value::Null,
            Some(text) if factor == 0.0 => Value::text(text),
            Some(text) => {
                let number = text.split(' ').next().and_then(|number| number.parse::<f64>().ok());
                number.map_or(Value::Null, |number| Value::Number(number * factor))
            }
        }
    }

    /// Of a record (`START RequestId: …`), of a line as Lambda's loggers write it (`TIME\tID\tLEVEL\t…`), or of JSON.
    fn request_id(&self) -> Value<'_> {
        if self.platform
            && let Some((_, rest)) = self.message.split_once(" RequestId: ")
        {
            return Value::text(rest.split_whitespace().next().unwrap_or_default());
        }
        if let Some(id) = self.message.split('\t').find(|part| is_uuid(part)) {
            return Value::text(id);
        }
        let json = self.json();
        let id = json.and_then(|json| json.get("requestId").or_else(|| json.get("record")?.get("requestId")));
        id.and_then(Json::as_str).map_or(Value::Null, Value::text)
    }
}

impl Fields for Row<'_> {
    fn field(&self, name: &str) -> Value<'_> {
        if let Some((_, value)) = self.computed.iter().find(|(known, _)| known == name) {
            return value.clone();
        }
        if let Some(value) = within(&self.computed, name) {
            return value;
        }
        if name.starts_with('@') {
            let own = self.own(name);
            if !own.is_null() {
                return own;
            }
        }
        self.json().map_or(Value::Null, |json| member(json, name))
    }
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, b)| match at {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

/// The JSON object in a message: all of it, or what follows the time, id and level of Lambda's loggers.
fn json_in(message: &str) -> Option<Json> {
    let text = message[message.find('{')?..].trim_end();
    text.ends_with('}').then(|| serde_json::from_str(text).ok()).flatten()
}

/// `a.b.0`: members and elements, and members with points in their names.
fn member<'a>(json: &'a Json, path: &str) -> Value<'a> {
    fn walk<'a>(json: &'a Json, path: &str) -> Option<&'a Json> {
        let step = |json: &'a Json, name: &str| match json {
            Json::Object(members) => members.get(name),
            Json::Array(elements) => elements.get(name.parse::<usize>().ok()?),
            _ => None,
        };
        if let Some(found) = step(json, path) {
            return Some(found);
        }
        let (name, rest) = path.split_once('.')?;
        walk(step(json, name)?, rest)
    }
    match walk(json, path) {
        None | Some(Json::Null) => Value::Null,
        Some(Json::String(text)) => Value::text(text),
        Some(Json::Number(number)) => number.as_f64().map_or(Value::Null, Value::Number),
        Some(Json::Bool(value)) => Value::truth(*value),
        Some(other) => Value::Structure(other.to_string().into()),
    }
}

/// `a.b.0`, where a column is a map or a list and the rest of the name is in it.
pub(super) fn within(columns: &[(String, Value<'static>)], name: &str) -> Option<Value<'static>> {
    name.match_indices('.').find_map(|(point, _)| {
        let (_, value) = columns.iter().find(|(known, _)| *known == name[..point])?;
        let Value::Structure(json) = value else { return None };
        let json = serde_json::from_str(json).ok()?;
        Some(member(&json, &name[point + 1..]).into_owned())
    })
}

/// Every field that an event has, with its value as results show it.
pub(crate) fn fields_of(row: &Row<'_>) -> Vec<(String, String)> {
    let own = [
        "@timestamp",
        "@message",
        "@logStream",
        "@log",
        "@ingestionTime",
        "@requestId",
        "@type",
        "@duration",
        "@billedDuration",
        "@initDuration",
        "@memorySize",
        "@maxMemoryUsed",
        "@xrayTraceId",
    ];
    let show = |name: &str| row.own(name).display().map(|value| (name.to_owned(), value.into_owned()));
    let mut fields: Vec<(String, String)> = own.into_iter().filter_map(show).collect();
    if let Some(json) = row.json() {
        flatten(json, &mut String::new(), &mut fields);
    }
    fields
}

fn flatten(json: &Json, path: &mut String, fields: &mut Vec<(String, String)>) {
    let mut below = |name: &str, value: &Json| {
        let length = path.len();
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(name);
        flatten(value, path, fields);
        path.truncate(length);
    };
    match json {
        Json::Object(members) => members.iter().for_each(|(name, value)| below(name, value)),
        Json::Array(elements) => {
            elements.iter().enumerate().for_each(|(index, value)| below(&index.to_string(), value));
        }
        Json::Null => {}
        _ if fields.len() >= FIELDS_MAX => {}
        _ => {
            if let Some(value) = member(&Json::Array(vec![json.clone()]), "0").display() {
                fields.push((path.clone(), value.into_owned()));
            }
        }
    }
}
