//! What a request says of what it is about: the texts at its top, whichever protocol it is in. Its meaning is read later and
//! by others; here it is only looked for names.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use http::request::Parts;
use lambent_wire::{Error, Matched, common};
use percent_encoding::percent_decode_str;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// Longer texts name nothing.
const LONGEST: usize = 2_048;
/// What can stand in a path.
const LABELS: [&str; 12] = [
    "CapacityProviderName",
    "CodeSigningConfigArn",
    "DurableExecutionArn",
    "FunctionName",
    "GroupName",
    "LayerName",
    "Name",
    "Resource",
    "ResourceArn",
    "StatementId",
    "UUID",
    "VersionNumber",
];

/// Lists that a query spells by repeating their name.
const REPEATED: [&str; 3] = ["TagKeys", "tagKeys", "Statuses"];

/// Members with what they say; one that is neither a text nor a list of texts says nothing, and is there.
#[derive(Debug, Default)]
pub(super) struct Members(Vec<(String, Vec<String>)>);

impl Members {
    /// Refuses a request that says one thing in two ways: the path, the query and the body are read here without knowing
    /// in which of them the service looks, and it must not be told another one than the policies.
    pub(super) fn read(matched: &Matched, parts: &Parts, body: &Bytes) -> Result<Self, Error> {
        let labels =
            LABELS.iter().filter_map(|name| Some(((*name).to_owned(), matched.label(name)?.to_owned())));
        let mut all: Vec<(String, Vec<String>)> = labels.map(|(name, text)| (name, vec![text])).collect();
        all.extend(pairs(parts.uri.query().unwrap_or_default()));
        match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b'{') => {
                let read = serde_json::from_slice::<Object>(body);
                all.extend(read.map(|object| object.0).unwrap_or_default());
            }
            // No form is longer than what a service takes as one; the text of anything else names nothing.
            Some(_) => all.extend(
                std::str::from_utf8(body).map(|form| pairs(form).collect::<Vec<_>>()).unwrap_or_default(),
            ),
            None => {}
        }
        check_once(&all)?;
        Ok(Self(all))
    }

    #[cfg(test)]
    pub(super) fn of(members: &[(&str, &str)]) -> Self {
        Self(members.iter().map(|(name, text)| ((*name).to_owned(), vec![(*text).to_owned()])).collect())
    }

    /// The text of a member.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let (_, texts) = self.0.iter().find(|(known, texts)| known == name && !texts.is_empty())?;
        texts.first().map(String::as_str)
    }

    /// The texts of a member that is a list.
    pub(super) fn all<'m>(&'m self, name: &'m str) -> impl Iterator<Item = &'m str> {
        let mine = self.0.iter().filter(move |(known, _)| known == name);
        mine.flat_map(|(_, texts)| texts.iter().map(String::as_str))
    }

    /// Whether a member was given at all.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }
}

fn check_once(all: &[(String, Vec<String>)]) -> Result<(), Error> {
    let mut said = BTreeMap::new();
    for (name, texts) in all.iter().filter(|(name, _)| !REPEATED.contains(&name.as_str())) {
        if said.insert(name, texts).is_some_and(|before| before != texts) {
            return Err(common::validation_exception(format!(
                "{name} is given more than once, and not the same"
            )));
        }
    }
    Ok(())
}

/// `a=b&c=d`, decoded.
fn pairs(text: &str) -> impl Iterator<Item = (String, Vec<String>)> {
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    text.split('&').filter(|pair| pair.len() <= 3 * LONGEST).filter_map(move |pair| {
        let (name, value) = pair.split_once('=')?;
        Some((decode(name), vec![decode(value)]))
    })
}

/// The top of a JSON object.
struct Object(Vec<(String, Vec<String>)>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Top;
        impl<'de> Visitor<'de> for Top {
            type Value = Object;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut members = Vec::new();
                while let Some((name, Texts(texts))) = map.next_entry::<String, Texts>()? {
                    members.push((name, texts));
                }
                Ok(Object(members))
            }
        }
        deserializer.deserialize_map(Top)
    }
}

/// A text, or the texts of a list; of anything else nothing.
struct Texts(Vec<String>);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Texts;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON value")
            }
            fn visit_str<E>(self, text: &str) -> Result<Texts, E> {
                Ok(Texts(if text.len() <= LONGEST { vec![text.to_owned()] } else { Vec::new() }))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Texts, A::Error> {
                let mut texts = Vec::new();
                while let Some(Texts(more)) = list.next_element()? {
                    texts.extend(more);
                }
                Ok(Texts(texts))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Texts, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Texts(Vec::new()))
            }
            fn visit_bool<E>(self, _: bool) -> Result<Texts, E> {
                Ok(Texts(Vec::new()))
            }
            fn visit_i64<E>(self, number: i64) -> Result<Texts, E> {
                Ok(Texts(vec![number.to_string()]))
            }
            fn visit_u64<E>(self, number: u64) -> Result<Texts, E> {
                Ok(Texts(vec![number.to_string()]))
            }
            fn visit_f64<E>(self, _: f64) -> Result<Texts, E> {
                Ok(Texts(Vec::new()))
            }
            fn visit_unit<E>(self) -> Result<Texts, E> {
                Ok(Texts(Vec::new()))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_paths_queries_objects_and_forms() {
        let read = |service: &'static lambent_wire::Service, method: &str, uri: &str, body: &'static str| {
            let request = http::Request::builder().method(method).uri(uri).body(()).unwrap();
            let (parts, ()) = request.into_parts();
            let body = Bytes::from_static(body.as_bytes());
            let matched = service.route(&parts).or_else(|_| service.route_form(&parts, &body)).unwrap();
            Members::read(&matched, &parts, &body)
        };
        let refused = |service, uri: &str, body| read(service, "POST", uri, body).unwrap_err().message;
        let read = |service, method: &str, uri: &str, body| read(service, method, uri, body).unwrap();
        let lambda = &lambent_wire::lambda::SERVICE;
        let members = read(
            lambda,
            "POST",
            "/2015-03-31/functions",
            r#"{"FunctionName":"f","Code":{"FunctionName":"g"},"Timeout":3,"Layers":["a","b"],"Tags":{}}"#,
        );
        assert_eq!(members.text("FunctionName"), Some("f"));
        assert_eq!(members.all("Layers").collect::<Vec<_>>(), ["a", "b"]);
        assert!(members.has("Tags") && members.text("Tags").is_none() && !members.has("Role"));
        let members = read(lambda, "GET", "/2015-03-31/functions/a%3Ab?Qualifier=%24LATEST", "");
        assert_eq!((members.text("FunctionName"), members.text("Qualifier")), (Some("a:b"), Some("$LATEST")));
        let form = "Action=Publish&Version=2010-03-31&TopicArn=arn%3Aaws%3Asns%3Ar%3A1%3At&Message=a+b";
        let members = read(&lambent_wire::sns::SERVICE, "POST", "/", form);
        assert_eq!(
            (members.text("TopicArn"), members.text("Message")),
            (Some("arn:aws:sns:r:1:t"), Some("a b"))
        );
        // Policies are asked about nothing that the service does not read.
        let twice = "FunctionName is given more than once, and not the same";
        let functions = "/2015-03-31/functions";
        assert_eq!(
            refused(lambda, &format!("{functions}?FunctionName=mine"), r#"{"FunctionName":"f"}"#),
            twice
        );
        assert_eq!(refused(lambda, functions, r#" {"FunctionName":"mine","FunctionName":"f"}"#), twice);
        let form = format!("{form}&TopicArn=other");
        assert!(refused(&lambent_wire::sns::SERVICE, "/", form.leak()).starts_with("TopicArn is given"));
        let untag = format!("{functions}/f?tagKeys=a&tagKeys=b");
        assert_eq!(read(lambda, "GET", &untag, "").all("tagKeys").count(), 2);
    }
}
