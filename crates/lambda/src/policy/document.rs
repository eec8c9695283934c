//! Statements as JSON, keys in the order in which they were written.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::evaluate;
use crate::Refusal;

/// One statement of a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Statement {
    /// Its name in the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// `Allow`.
    pub effect: String,
    /// To whom.
    pub principal: Principal,
    /// What: `lambda:InvokeFunction`, `lambda:*`.
    pub action: OneOrMany,
    /// On which function, version or alias.
    pub resource: OneOrMany,
    /// Under which conditions: operator, then key, then values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<Ordered<Ordered<OneOrMany>>>,
}

/// `Principal`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Principal {
    /// `*`.
    Any(String),
    /// By kind: `AWS`, `Service`.
    Kinds(Ordered<OneOrMany>),
}

impl Statement {
    /// Refuses what the evaluation would not keep to.
    pub(super) fn check(&self, arn: &str) -> Result<(), Refusal> {
        let invalid = |why: String| {
            let sid = self.sid.as_deref().unwrap_or("without a Sid");
            Refusal::InvalidParameter(format!("The policy document is not valid: statement {sid}: {why}"))
        };
        match self.effect.as_str() {
            "Allow" => {}
            "Deny" => return Err(Refusal::Unsupported("Deny in resource policies")),
            other => return Err(invalid(format!("its Effect is '{other}'"))),
        }
        match &self.principal {
            Principal::Any(text) if text == "*" => {}
            Principal::Any(text) => return Err(invalid(format!("its Principal is '{text}'"))),
            Principal::Kinds(kinds) => {
                if let Some((kind, _)) = kinds.0.iter().find(|(kind, _)| kind != "AWS" && kind != "Service") {
                    return Err(invalid(format!("principals of the kind '{kind}' are not supported")));
                }
            }
        }
        if let Some(action) = self.action.iter().find(|a| *a != "*" && !a.starts_with("lambda:")) {
            return Err(invalid(format!("'{action}' is not an action of Lambda")));
        }
        if let Some(other) = self.resource.iter().find(|pattern| !evaluate::like(pattern, arn)) {
            return Err(invalid(format!("the resource '{other}' is not {arn}")));
        }
        let operators = self.condition.iter().flat_map(|condition| &condition.0);
        for (operator, _) in operators {
            if !evaluate::is_operator(operator) {
                return Err(invalid(format!("the condition operator '{operator}' is not supported")));
            }
        }
        Ok(())
    }
}

/// A text, or a list of texts. Numbers and booleans, which conditions may hold, are their texts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub enum OneOrMany {
    /// Without a list.
    One(String),
    /// In a list.
    Many(Vec<String>),
}

impl OneOrMany {
    /// Each text.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::Many(texts) => texts.as_slice(),
        }
        .iter()
        .map(String::as_str)
    }
}

impl TryFrom<Value> for OneOrMany {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        let text = |value: Value| match value {
            Value::String(text) => Ok(text),
            Value::Bool(_) | Value::Number(_) => Ok(value.to_string()),
            other => Err(format!("{other} is neither a text nor a list of texts")),
        };
        match value {
            Value::Array(values) => values.into_iter().map(text).collect::<Result<_, _>>().map(Self::Many),
            other => text(other).map(Self::One),
        }
    }
}

impl From<OneOrMany> for Value {
    fn from(texts: OneOrMany) -> Self {
        match texts {
            OneOrMany::One(text) => text.into(),
            OneOrMany::Many(texts) => texts.into(),
        }
    }
}

/// A JSON object in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ordered<V>(pub Vec<(String, V)>);

impl<V: Serialize> Serialize for Ordered<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in &self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Ordered<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<V>(PhantomData<V>);
        impl<'de, V: Deserialize<'de>> Visitor<'de> for Entries<V> {
            type Value = Ordered<V>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Ordered(entries))
            }
        }
        deserializer.deserialize_map(Entries(PhantomData))
    }
}
