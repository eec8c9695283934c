//! What a target is given of an event: all of it, a part, a constant, or a template filled in. Pure.
//!
//! EventBridge User Guide, "Amazon EventBridge input transformation"; API Reference, `InputTransformer`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::path::Path;

/// Variables that nobody defines (User Guide, "Predefined variables").
const PREDEFINED: [&str; 5] = [
    "aws.events.rule-arn",
    "aws.events.rule-name",
    "aws.events.event.ingestion-time",
    "aws.events.event",
    "aws.events.event.json",
];

/// What is made of an event for one target.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Input {
    /// The event as it is.
    #[default]
    Event,
    /// This text, whatever the event is.
    Constant(String),
    /// A part of it.
    Path(String),
    /// A template with values from it.
    Template {
        /// JSON paths by the names of variables.
        paths: BTreeMap<String, String>,
        /// With `<name>` where values go.
        template: String,
    },
}

/// What is known of an event and of the rule that it met.
pub(super) struct Matched<'a> {
    /// The event, JSON.
    pub(super) event: &'a str,
    /// The same without its detail.
    pub(super) without_detail: &'a str,
    pub(super) rule_arn: &'a str,
    pub(super) rule_name: &'a str,
    /// When it came, ISO 8601.
    pub(super) ingested: &'a str,
}

impl Input {
    /// Whether this can be made of any event.
    ///
    /// # Errors
    /// What is wrong with it, for the client.
    pub(super) fn check(&self, target: &str) -> Result<(), String> {
        let path = |path: &str| match Path::parse(path) {
            Some(_) => Ok(()),
            None => Err(format!("Invalid JSONPath provided for target {target}: {path}.")),
        };
        match self {
            Self::Event => Ok(()),
            Self::Constant(text) => match serde_json::from_str::<serde::de::IgnoredAny>(text) {
                Ok(_) => Ok(()),
                Err(error) => Err(format!("JSON syntax error in input for target {target}: {error}.")),
            },
            Self::Path(text) => path(text),
            Self::Template { paths, template } => {
                if let Some(name) = paths.keys().find(|name| name.to_ascii_lowercase().starts_with("aws.")) {
                    return Err(format!("InputPathsMap of target {target} has the reserved key {name}."));
                }
                paths.values().try_for_each(|text| path(text))?;
                check_template(target, paths, template)
            }
        }
    }

    /// A template with nothing filled in: its first JSON value, as AWS reads it.
    pub(super) fn sample(&self) -> Option<String> {
        let Self::Template { template, .. } = self else { return None };
        let sample = fill(template, |_, quoted| if quoted { String::new() } else { "null".to_owned() });
        let mut values = serde_json::Deserializer::from_str(&sample).into_iter::<Box<RawValue>>();
        values.next()?.ok().map(|value| value.get().to_owned())
    }

    /// What the target is given.
    pub(super) fn of(&self, matched: &Matched<'_>) -> String {
        match self {
            Self::Event => matched.event.to_owned(),
            Self::Constant(text) => text.clone(),
            // AWS does not document what becomes of a path that leads nowhere; nothing is what there is.
            Self::Path(path) => find(path, matched.event).unwrap_or_else(|| "null".to_owned()),
            Self::Template { paths, template } => fill(template, |name, quoted| {
                // "If you specify a variable to match a JSON path that doesn't exist in the event, that variable isn't
                // created and won't appear in the output."
                let value = value(paths, name, matched).unwrap_or_default();
                if quoted { within_string(&value) } else { value }
            }),
        }
    }
}

fn find(path: &str, event: &str) -> Option<String> {
    Path::parse(path)?.find(event)
}

/// A variable's value as JSON.
fn value(paths: &BTreeMap<String, String>, name: &str, matched: &Matched<'_>) -> Option<String> {
    let text = |text: &str| serde_json::Value::from(text).to_string();
    match name {
        "aws.events.rule-arn" => Some(text(matched.rule_arn)),
        "aws.events.rule-name" => Some(text(matched.rule_name)),
        "aws.events.event.ingestion-time" => Some(text(matched.ingested)),
        "aws.events.event" => Some(matched.without_detail.to_owned()),
        "aws.events.event.json" => Some(matched.event.to_owned()),
        name => find(paths.get(name)?, matched.event),
    }
}

/// AWS reads the first JSON value of a template and leaves the rest alone: a template of several lines is a string each.
fn check_template(target: &str, paths: &BTreeMap<String, String>, template: &str) -> Result<(), String> {
    let mut unknown = None;
    let sample = fill(template, |name, quoted| {
        if !PREDEFINED.contains(&name) && !paths.contains_key(name) {
            unknown.get_or_insert_with(|| name.to_owned());
        }
        if quoted { String::new() } else { "null".to_owned() }
    });
    if let Some(name) = unknown {
        return Err(format!("InputTemplate for target {target} contains invalid placeholder {name}."));
    }
    let mut values = serde_json::Deserializer::from_str(&sample).into_iter::<serde::de::IgnoredAny>();
    match values.next() {
        Some(Ok(_)) => Ok(()),
        Some(Err(error)) => Err(format!("Invalid InputTemplate for target {target} : {error}.")),
        None => Err(format!("Invalid InputTemplate for target {target} : it is empty.")),
    }
}

/// The template with each `<name>` replaced by what `value` says, which hears whether it stands within a JSON string.
fn fill(template: &str, mut value: impl FnMut(&str, bool) -> String) -> String {
    let (mut filled, mut rest, mut quoted, mut escaped) = (String::new(), template, false, false);
    while let Some(character) = rest.chars().next() {
        if character == '<'
            && let Some((name, after)) = placeholder(rest)
        {
            filled.push_str(&value(name, quoted));
            rest = after;
            continue;
        }
        match character {
            '"' if !escaped => quoted = !quoted,
            _ => {}
        }
        escaped = quoted && character == '\\' && !escaped;
        filled.push(character);
        rest = &rest[character.len_utf8()..];
    }
    filled
}

/// The name at the beginning of `<name>…`, and what follows it.
fn placeholder(text: &str) -> Option<(&str, &str)> {
    let (name, after) = text.strip_prefix('<')?.split_once('>')?;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (!name.is_empty() && name.bytes().all(fits)).then_some((name, after))
}

/// A JSON value as it may stand within a JSON string: escapes stay, the quotation marks around strings go, as they do on
/// AWS, and so does white space that a string may not hold.
fn within_string(json: &str) -> String {
    let (mut text, mut quoted, mut escaped) = (String::with_capacity(json.len()), false, false);
    for character in json.chars() {
        if escaped {
            escaped = false;
        } else {
            match character {
                '"' => {
                    quoted = !quoted;
                    continue;
                }
                '\\' => escaped = true,
                '\n' | '\r' | '\t' if !quoted => continue,
                _ => {}
            }
        }
        text.push(character);
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const EVENT: &str = r#"{"version":"0","id":"7bf7","detail-type":"EC2 Instance State-change Notification","source":"aws.ec2","detail":{"instance-id":"i-0123456789","state":"RUNNING","tags":["a","b"],"n":1.50,"text":"a \"b\"\nc"}}"#;
    const REST: &str = r#"{"version":"0","id":"7bf7"}"#;

    fn template(template: &str) -> Input {
        let paths = [
            ("instance", "$.detail.instance-id"),
            ("state", "$.detail.state"),
            ("detail", "$.detail"),
            ("n", "$.detail.n"),
            ("text", "$.detail.text"),
            ("gone", "$.detail.gone"),
        ];
        let paths = paths.map(|(name, path)| (name.to_owned(), path.to_owned())).into();
        Input::Template { paths, template: template.to_owned() }
    }

    fn made(input: &Input) -> String {
        input.check("t").unwrap();
        input.of(&Matched {
            event: EVENT,
            without_detail: REST,
            rule_arn: "arn:rule",
            rule_name: "rule-name",
            ingested: "2026-11-22T06:00:00Z",
        })
    }

    /// The table of the guide, "Input transform examples".
    #[test]
    fn the_examples_of_the_guide() {
        for (text, expected) in [
            (r#""instance <instance> is in <state>""#, r#""instance i-0123456789 is in RUNNING""#),
            (r#""instance \"<instance>\" is in <state>""#, r#""instance \"i-0123456789\" is in RUNNING""#),
            (
                "\"instance <instance> is in <state>\"\n\"second <n>\"",
                "\"instance i-0123456789 is in RUNNING\"\n\"second 1.50\"",
            ),
            (r#""<aws.events.rule-name> triggered""#, r#""rule-name triggered""#),
            (
                "<detail>",
                r#"{"instance-id":"i-0123456789","state":"RUNNING","tags":["a","b"],"n":1.50,"text":"a \"b\"\nc"}"#,
            ),
            ("<state>", "\"RUNNING\""),
            (r#""is <gone>""#, r#""is ""#),
        ] {
            assert_eq!(made(&template(text)), expected, "{text}");
        }
        for (text, expected) in [
            (
                r#"{"instance" : <instance>, "state": "<state>", "instanceStatus": "instance \"<instance>\" is in <state>"}"#,
                json!({"instance": "i-0123456789", "state": "RUNNING", "instanceStatus": "instance \"i-0123456789\" is in RUNNING"}),
            ),
            (
                r#"{"instance" : <instance>, "state": [ 9, <state>, true ], "Transformed" : "Yes"}"#,
                json!({"instance": "i-0123456789", "state": [9, "RUNNING", true], "Transformed": "Yes"}),
            ),
            (
                r#"{"rule": <aws.events.rule-arn>, "at": <aws.events.event.ingestion-time>, "event": <aws.events.event>}"#,
                json!({"rule": "arn:rule", "at": "2026-11-22T06:00:00Z", "event": {"version": "0", "id": "7bf7"}}),
            ),
            (
                r#"{"all": <aws.events.event.json>}"#,
                json!({"all": serde_json::from_str::<Value>(EVENT).unwrap()}),
            ),
            // What has quotation marks of its own stays a string; those of an object's strings go.
            (r#"{"t": "<text>"}"#, json!({"t": "a \"b\"\nc"})),
            (
                r#"{"d": "<detail>"}"#,
                json!({"d": "{instance-id:i-0123456789,state:RUNNING,tags:[a,b],n:1.50,text:a \"b\"\nc}"}),
            ),
        ] {
            let found: Value = serde_json::from_str(&made(&template(text))).unwrap();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn the_other_inputs() {
        assert_eq!(made(&Input::Event), EVENT);
        assert_eq!(made(&Input::Constant("{\"a\": 1}".into())), "{\"a\": 1}");
        assert_eq!(made(&Input::Path("$.detail.tags".into())), "[\"a\",\"b\"]");
        assert_eq!(made(&Input::Path("$.nothing".into())), "null");
    }

    #[test]
    fn what_cannot_be_made_is_refused() {
        let reserved = [("AWS.x".to_owned(), "$.a".to_owned())].into();
        for (input, part) in [
            (Input::Constant("{".into()), "JSON syntax error"),
            (Input::Path("detail".into()), "Invalid JSONPath"),
            (template("plain text"), "Invalid InputTemplate for target t"),
            (template("{\"a\": <instance>"), "Invalid InputTemplate for target t"),
            (template("\"<unknown>\""), "invalid placeholder unknown"),
            (template(" "), "it is empty"),
            (Input::Template { paths: reserved, template: "{}".into() }, "reserved key AWS.x"),
        ] {
            let refused = input.check("t").unwrap_err();
            assert!(refused.contains(part), "{refused}");
        }
    }
}
