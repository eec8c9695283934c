//! What of the Lambda API works here, operation by operation and parameter by parameter: the one table from which
//! `docs/compatibility.md` and `GET /_lambent/compatibility` are made.

mod first;
mod second;

use serde::Serialize;

/// What becomes of an operation or a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// As AWS's documentation describes it.
    Effective,
    /// With a difference, which is named.
    Differs,
    /// Checked, kept and shown; nothing acts on it yet.
    ShownOnly,
    /// Answered by an error that says so.
    Refused,
}

impl Effect {
    fn word(self) -> &'static str {
        match self {
            Self::Effective => "works",
            Self::Differs => "differs",
            Self::ShownOnly => "shown only",
            Self::Refused => "refused",
        }
    }
}

/// A parameter that is not as its operation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Part {
    /// The model's name, with dots where it lies in another.
    pub name: &'static str,
    /// What becomes of it.
    pub effect: Effect,
    /// What is different or missing.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub remark: &'static str,
}

/// An operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Row {
    /// AWS's name.
    pub operation: &'static str,
    /// What becomes of it.
    pub effect: Effect,
    /// What is different or missing.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub remark: &'static str,
    /// The parameters of which the same is true, with a blank in between.
    pub parameters: &'static str,
    /// The others.
    pub exceptions: &'static [Part],
}

/// Of the members that name a bucket.
const FOLDERS: &str = "`hot-reload`, which is no bucket, has folders of this machine as keys: see Code that is run from a folder below";

const fn row(
    operation: &'static str,
    effect: Effect,
    remark: &'static str,
    parameters: &'static str,
    exceptions: &'static [Part],
) -> Row {
    Row { operation, effect, remark, parameters, exceptions }
}

const fn part(name: &'static str, effect: Effect, remark: &'static str) -> Part {
    Part { name, effect, remark }
}

/// Every operation of the Lambda API, by name.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    first::ROWS.iter().chain(second::ROWS)
}

/// The table as JSON.
#[must_use]
pub fn json() -> serde_json::Value {
    let rows: Vec<_> = rows().collect();
    serde_json::json!({ "service": "lambda", "operations": rows })
}

/// The table as Markdown.
#[must_use]
pub fn markdown() -> String {
    let mut text = String::from("| Operation | Status | Remarks |\n|---|---|---|\n");
    for row in rows() {
        let mut remarks: Vec<String> = vec![row.remark.to_owned()];
        for effect in [Effect::Differs, Effect::ShownOnly, Effect::Refused] {
            let parts = row.exceptions.iter().filter(|part| part.effect == effect);
            let named = parts.map(|part| match part.remark {
                "" => format!("`{}`", part.name),
                remark => format!("`{}` ({remark})", part.name),
            });
            let named: Vec<String> = named.collect();
            if !named.is_empty() {
                remarks.push(format!("*{}*: {}", effect.word(), named.join(", ")));
            }
        }
        remarks.retain(|remark| !remark.is_empty());
        text += &format!("| {} | {} | {} |\n", row.operation, row.effect.word(), remarks.join("; "));
    }
    text.replace("|  |", "| |")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use lambent_wire::lambda::SERVICE;

    use super::*;
    use crate::ANSWERED;

    #[test]
    fn each_operation_and_parameter_of_the_model_has_its_place_once() {
        let known: Vec<&str> = SERVICE.operations.iter().map(|operation| operation.name).collect();
        let named: Vec<&str> = rows().map(|row| row.operation).collect();
        let mut sorted = named.clone();
        sorted.sort_unstable();
        assert_eq!(named, sorted, "the rows are in order");
        assert_eq!(named.iter().collect::<BTreeSet<_>>(), known.iter().collect(), "operations");
        for row in rows() {
            let operation = SERVICE.operations.iter().find(|operation| operation.name == row.operation);
            let model: BTreeSet<String> = operation.expect("it is known").parameters().collect();
            let top: BTreeSet<&str> =
                model.iter().map(String::as_str).filter(|name| !name.contains('.')).collect();
            let parameters: Vec<&str> = row.parameters.split_whitespace().collect();
            let exceptions: Vec<&str> = row.exceptions.iter().map(|part| part.name).collect();
            let all = parameters.iter().chain(&exceptions);
            let here: BTreeSet<&str> = all.clone().copied().filter(|name| !name.contains('.')).collect();
            assert_eq!(here, top, "{}", row.operation);
            assert_eq!(all.count(), parameters.len() + exceptions.len());
            assert_eq!(
                exceptions.iter().filter(|name| !model.contains(**name)).collect::<Vec<_>>(),
                Vec::<&&str>::new(),
                "{} has no such parameters",
                row.operation
            );
        }
    }

    #[test]
    fn what_has_no_handler_is_refused_and_what_works_has_one() {
        for row in rows() {
            let answered = ANSWERED.contains(&row.operation);
            assert!(answered || row.effect == Effect::Refused, "{}", row.operation);
        }
        for name in ANSWERED {
            assert!(rows().any(|row| row.operation == *name), "{name}");
        }
    }

    #[test]
    fn the_page_has_the_table() {
        const BEGIN: &str = "<!-- The rows from here on are made of crates/control/src/compatibility. -->\n";
        const END: &str = "<!-- To here. -->\n";
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/compatibility.md");
        let page = std::fs::read_to_string(&path).unwrap();
        let (before, rest) = page.split_once(BEGIN).expect("the mark of the beginning");
        let (table, after) = rest.split_once(END).expect("the mark of the end");
        if std::env::var_os("LAMBENT_WRITE_DOCS").is_some() {
            std::fs::write(&path, format!("{before}{BEGIN}\n{}\n{END}{after}", markdown())).unwrap();
            return;
        }
        assert_eq!(
            table.trim(),
            markdown().trim(),
            "bring the page up to date: LAMBENT_WRITE_DOCS=1 cargo test -p lambent-control compatibility"
        );
    }
}
