//! Filter policies (SNS Developer Guide, "Amazon SNS subscription filter policies", "Filter policy constraints"). Pure.

use std::collections::BTreeMap;

use lambent_patterns::{Dialect, Event, Index, Pattern};
use serde_json::{Map, Value};

use super::message::{Attribute, Content, Message};
use super::record::{Protocol, Subscription};

/// "The maximum size of a filter policy is 256 KB."
const BYTES: usize = 256 * 1024;
/// "A filter policy can have a maximum of five keys."
const KEYS: usize = 5;
/// "The total combination of values in a filter policy must not exceed 150."
const COMBINATIONS: usize = 150;

/// What a filter policy is held against, `FilterPolicyScope`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    Attributes,
    Body,
}

impl Scope {
    /// The scope of this name.
    pub(super) fn parse(name: &str) -> Option<Self> {
        match name {
            "MessageAttributes" => Some(Self::Attributes),
            "MessageBody" => Some(Self::Body),
            _ => None,
        }
    }

    fn of(subscription: &Subscription) -> Self {
        subscription.attribute("FilterPolicyScope").and_then(Self::parse).unwrap_or(Self::Attributes)
    }

    fn dialect(self) -> Dialect {
        match self {
            Self::Attributes => Dialect::Attributes,
            Self::Body => Dialect::Body,
        }
    }
}

/// Reads a filter policy.
///
/// # Errors
/// Why it is none, in AWS's words where they are known.
pub(super) fn parse(text: &str, scope: Scope) -> Result<Pattern, String> {
    if text.len() > BYTES {
        return Err(format!("Filter policy can not be larger than {BYTES} bytes"));
    }
    let Ok(Value::Object(policy)) = serde_json::from_str(text) else {
        return Err("failed to parse JSON.".into());
    };
    let pattern = Pattern::parse(text, scope.dialect()).map_err(|invalid| invalid.to_string())?;
    let extent = Extent::of(&policy, 1);
    if extent.keys > KEYS {
        return Err(format!("Filter policy can not have more than {KEYS} keys"));
    }
    if extent.combinations > COMBINATIONS {
        return Err("Filter policy is too complex".into());
    }
    Ok(pattern)
}

/// Whether a policy asks for nothing, which takes away the one that is there.
pub(super) fn is_none(text: &str) -> bool {
    matches!(serde_json::from_str(text), Ok(Value::Object(policy)) if policy.is_empty())
}

/// How large a policy is, by the guide's way of counting: only keys with values count, and values of nested ones count
/// with the level that they are on.
struct Extent {
    keys: usize,
    combinations: usize,
}

impl Extent {
    fn of(policy: &Map<String, Value>, level: usize) -> Self {
        let mut whole = Self { keys: 0, combinations: 1 };
        for (name, value) in policy {
            let part = match value {
                Value::Object(nested) => Self::of(nested, level + 1),
                Value::Array(items) if name == "$or" && items.iter().all(Value::is_object) => {
                    let either = items.iter().filter_map(Value::as_object).map(|item| Self::of(item, level));
                    either.fold(Self { keys: 0, combinations: 0 }, |sum, item| Self {
                        keys: sum.keys + item.keys,
                        combinations: sum.combinations.saturating_add(item.combinations),
                    })
                }
                Value::Array(items) => Self { keys: 1, combinations: items.len().saturating_mul(level) },
                _ => Self { keys: 1, combinations: 1 },
            };
            whole.keys += part.keys;
            whole.combinations = whole.combinations.saturating_mul(part.combinations);
        }
        whole
    }
}

/// The confirmed subscriptions of a topic by what they ask for. Subscriptions are their places in a list.
#[derive(Debug)]
pub(super) struct Filters {
    /// Those that ask for nothing.
    always: Vec<usize>,
    attributes: Index<usize>,
    /// By protocol, since each may have a text of its own.
    bodies: BTreeMap<Protocol, Index<usize>>,
}

impl Filters {
    /// Indexes subscriptions.
    pub(super) fn new<'s>(subscriptions: impl Iterator<Item = &'s Subscription>) -> Self {
        let (mut always, mut attributes) = (Vec::new(), Vec::new());
        let mut bodies = BTreeMap::<Protocol, Vec<(usize, Pattern)>>::new();
        for (at, subscription) in subscriptions.enumerate().filter(|(_, one)| !one.is_pending()) {
            let scope = Scope::of(subscription);
            match subscription.attribute("FilterPolicy").map(|text| parse(text, scope)) {
                None => always.push(at),
                Some(Ok(pattern)) if scope == Scope::Attributes => attributes.push((at, pattern)),
                Some(Ok(pattern)) => bodies.entry(subscription.protocol).or_default().push((at, pattern)),
                // It was checked when it was set: another release took it. Better too little than too much.
                Some(Err(error)) => {
                    tracing::error!(endpoint = subscription.endpoint, error, "a filter policy is none")
                }
            }
        }
        let bodies = bodies.into_iter().map(|(protocol, patterns)| (protocol, Index::new(patterns)));
        Self { always, attributes: Index::new(attributes), bodies: bodies.collect() }
    }

    /// The subscriptions that are to have a message, in their order.
    pub(super) fn matches(&self, message: &Message) -> Vec<usize> {
        let mut found = self.always.clone();
        if let Ok(event) = Event::parse(&as_event(&message.attributes)) {
            found.extend(self.attributes.matches(&event));
        }
        for (protocol, index) in &self.bodies {
            let text = message.content.text(*protocol);
            // Only an object has keys; a text that is none has not what any policy asks for.
            if text.trim_start().starts_with('{')
                && let Ok(event) = Event::parse(text)
            {
                found.extend(index.matches(&event));
            }
        }
        found.sort_unstable();
        found
    }
}

/// Attributes as a policy sees them: binary ones not at all, arrays by their items.
fn as_event(attributes: &BTreeMap<String, Attribute>) -> String {
    let value = |attribute: &Attribute| {
        let Content::Text(text) = &attribute.content else { return None };
        match attribute.data_type.as_str() {
            "String.Array" => serde_json::from_str::<Value>(text).ok().filter(Value::is_array),
            kind if kind == "Number" || kind.starts_with("Number.") => number(text),
            _ => Some(Value::String(text.clone())),
        }
    };
    let members = attributes.iter().filter_map(|(name, one)| Some((name.clone(), value(one)?)));
    Value::Object(members.collect()).to_string()
}

/// JSON has fewer ways to write a number than attributes have.
fn number(text: &str) -> Option<Value> {
    let parsed = serde_json::from_str::<serde_json::Number>(text).ok();
    let number = parsed.or_else(|| serde_json::Number::from_f64(text.trim().parse().ok()?));
    number.map(Value::Number)
}

#[cfg(test)]
mod tests {
    use super::super::message::testing::{attribute, message};
    use super::super::record::testing::subscription;
    use super::*;

    #[test]
    fn a_policy_has_five_keys_and_a_hundred_and_fifty_combinations() {
        let values = |count: usize| format!("{:?}", (0..count).map(|n| n.to_string()).collect::<Vec<_>>());
        for (policy, scope, reason) in [
            (
                r#"{"a": ["x"], "b": ["x"], "c": ["x"], "d": ["x"], "e": ["x"]}"#.to_owned(),
                Scope::Attributes,
                None,
            ),
            (
                r#"{"a": ["x"], "b": ["x"], "c": ["x"], "d": ["x"], "e": {"f": ["x"], "g": ["x"]}}"#
                    .to_owned(),
                Scope::Body,
                Some("Filter policy can not have more than 5 keys"),
            ),
            (format!(r#"{{"a": {}}}"#, values(150)), Scope::Attributes, None),
            (format!(r#"{{"a": {}}}"#, values(151)), Scope::Attributes, Some("Filter policy is too complex")),
            // 4 values on the third level, 3 on the second: 12 times 6.
            (
                format!(r#"{{"a": {{"b": {{"c": {}}}}}, "d": {{"e": {}}}}}"#, values(4), values(3)),
                Scope::Body,
                None,
            ),
            (
                format!(r#"{{"a": {{"b": {{"c": {}}}}}, "d": {{"e": {}}}}}"#, values(9), values(3)),
                Scope::Body,
                Some("Filter policy is too complex"),
            ),
            ("[]".to_owned(), Scope::Body, Some("failed to parse JSON.")),
            (r#"{"a": []}"#.to_owned(), Scope::Body, Some("Empty arrays are not allowed")),
            (r#"{"a": "x"}"#.to_owned(), Scope::Body, Some("\"a\" must be an object or an array")),
            (
                r#"{"a": {"b": ["x"]}}"#.to_owned(),
                Scope::Attributes,
                Some("Filter policy scope MessageAttributes does not support nested filter policy"),
            ),
        ] {
            assert_eq!(parse(&policy, scope).err().as_deref(), reason, "{policy}");
        }
        assert!(is_none(" {} ") && !is_none("") && !is_none(r#"{"a":["x"]}"#));
    }

    #[test]
    fn messages_find_the_subscriptions_that_ask_for_them() {
        let with = |protocol, attributes: &[(&str, &str)]| subscription(protocol, attributes);
        let body = ("FilterPolicyScope", "MessageBody");
        let mut pending = with(Protocol::Sqs, &[]);
        pending.state = super::super::record::State::Pending;
        let subscriptions = [
            with(Protocol::Sqs, &[]),
            with(Protocol::Sqs, &[("FilterPolicy", r#"{"kind": ["a", {"prefix": "b"}]}"#)]),
            with(Protocol::Sqs, &[("FilterPolicy", r#"{"size": [{"numeric": [">", 5]}]}"#)]),
            with(Protocol::Sqs, &[("FilterPolicy", r#"{"tags": ["x"]}"#)]),
            with(Protocol::Sqs, &[("FilterPolicy", r#"{"kind": [{"exists": false}]}"#)]),
            pending,
            with(Protocol::Lambda, &[("FilterPolicy", r#"{"to": {"who": ["me"]}}"#), body]),
            with(Protocol::Sqs, &[("FilterPolicy", r#"{"to": {"who": ["me"]}}"#), body]),
        ];
        let filters = Filters::new(subscriptions.iter());
        for (text, attributes, expected) in [
            ("hello", vec![], vec![0, 4]),
            ("hello", vec![("kind", attribute("String", "a"))], vec![0, 1]),
            (
                "hello",
                vec![("kind", attribute("String", "bad")), ("size", attribute("Number", "6.0"))],
                vec![0, 1, 2],
            ),
            ("hello", vec![("kind", attribute("String", "c")), ("size", attribute("String", "6"))], vec![0]),
            ("hello", vec![("kind", attribute("Binary", "a"))], vec![0, 4]),
            (
                "hello",
                vec![("kind", attribute("Number", "+5e0")), ("size", attribute("Number", "+5e1"))],
                vec![0, 2],
            ),
            (
                "hello",
                vec![
                    ("kind", attribute("String", "c")),
                    ("tags", attribute("String.Array", r#"["y","x",null,3]"#)),
                ],
                vec![0, 3],
            ),
            (
                "hello",
                vec![("kind", attribute("String", "c")), ("tags", attribute("String.Array", "x"))],
                vec![0],
            ),
            (r#"{"to": {"who": "me"}}"#, vec![("kind", attribute("String", "c"))], vec![0, 6, 7]),
            (r#"["to"]"#, vec![("kind", attribute("String", "c"))], vec![0]),
            (r#"{"to": "#, vec![("kind", attribute("String", "c"))], vec![0]),
        ] {
            let message = message(text, attributes);
            assert_eq!(filters.matches(&message), expected, "{message:?}");
        }
    }

    #[test]
    fn each_protocol_is_filtered_by_its_own_text() {
        let body = [("FilterPolicy", r#"{"a": [1]}"#), ("FilterPolicyScope", "MessageBody")];
        let subscriptions = [subscription(Protocol::Lambda, &body), subscription(Protocol::Sqs, &body)];
        let mut message = message("", vec![]);
        message.content =
            super::super::message::Texts::parse(r#"{"default": "x", "sqs": "{\"a\": 1}"}"#, true).unwrap();
        assert_eq!(Filters::new(subscriptions.iter()).matches(&message), [1]);
    }
}
