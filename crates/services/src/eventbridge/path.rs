//! JSON paths, as far as targets have them: members, items and wildcards (EventBridge User Guide, "Amazon EventBridge input
//! transformation": dot notation, dashes, underscores, alphanumeric characters, array indices, wildcards, forward slashes).
//! Pure.
//!
//! What is found is the text of the event, so that numbers stay as they were written.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

/// Where in an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Member(String),
    Item(usize),
    All,
}

impl Path {
    /// Reads a path; `None` for what is none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut rest = text.strip_prefix('$')?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let step;
            (step, rest) = if let Some(dotted) = rest.strip_prefix('.') {
                let end = dotted.find(['.', '[']).unwrap_or(dotted.len());
                let name = &dotted[..end];
                if name.is_empty() {
                    return None;
                }
                (if name == "*" { Step::All } else { Step::Member(name.to_owned()) }, &dotted[end..])
            } else {
                let (inner, after) = rest.strip_prefix('[')?.split_once(']')?;
                (Step::bracketed(inner.trim())?, after)
            };
            steps.push(step);
        }
        Some(Self(steps))
    }

    /// The JSON text at this path; with a wildcard a list of all that there are. `None` where there is nothing.
    pub(crate) fn find(&self, json: &str) -> Option<String> {
        let mut found = Vec::new();
        walk(json, &self.0, &mut found);
        if self.0.contains(&Step::All) {
            return Some(format!("[{}]", found.join(",")));
        }
        found.into_iter().next()
    }
}

impl Step {
    fn bracketed(inner: &str) -> Option<Self> {
        if inner == "*" {
            return Some(Self::All);
        }
        let quoted = |quote: char| inner.strip_prefix(quote)?.strip_suffix(quote);
        match quoted('\'').or_else(|| quoted('"')) {
            Some(name) => Some(Self::Member(name.to_owned())),
            None => inner.parse().ok().map(Self::Item),
        }
    }
}

/// As deep as the path has steps; what is not of the form that a step asks for has nothing there.
fn walk(json: &str, steps: &[Step], found: &mut Vec<String>) {
    let Some((step, rest)) = steps.split_first() else {
        found.push(json.to_owned());
        return;
    };
    let members = || serde_json::from_str::<BTreeMap<String, &RawValue>>(json).ok();
    let items = || serde_json::from_str::<Vec<&RawValue>>(json).ok();
    match step {
        Step::Member(name) => {
            if let Some(member) = members().as_ref().and_then(|members| members.get(name)) {
                walk(member.get(), rest, found);
            }
        }
        Step::Item(at) => {
            if let Some(item) = items().as_ref().and_then(|items| items.get(*at)) {
                walk(item.get(), rest, found);
            }
        }
        Step::All => match (items(), members()) {
            (Some(items), _) => items.iter().for_each(|item| walk(item.get(), rest, found)),
            (None, Some(members)) => members.values().for_each(|member| walk(member.get(), rest, found)),
            (None, None) => {}
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_where() {
        let event = r#"{"detail-type":"T","resources":["a","b"],"detail":{"n":1.0,"a/b":{"x y":[{"k":1},{"k":2},3]}}}"#;
        for (path, found) in [
            ("$.detail-type", Some("\"T\"")),
            ("$.detail.n", Some("1.0")),
            ("$.resources[1]", Some("\"b\"")),
            ("$.resources[2]", None),
            ("$.detail.a/b['x y'][0].k", Some("1")),
            ("$.detail.a/b.x y[*].k", Some("[1,2]")),
            ("$.resources.*", Some("[\"a\",\"b\"]")),
            ("$.detail.missing.deeper", None),
            ("$['detail'][\"n\"]", Some("1.0")),
            ("$", Some(event)),
        ] {
            assert_eq!(Path::parse(path).unwrap().find(event).as_deref(), found, "{path}");
        }
        for wrong in ["", "detail", "$detail", "$.", "$..a", "$[a]", "$[0", "$.a[-1]"] {
            assert_eq!(Path::parse(wrong), None, "{wrong}");
        }
    }
}
