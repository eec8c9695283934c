//! Ranges of numbers (Amazon EventBridge User Guide, "Comparison operators", "Numeric matching").

use crate::event::{Node, Scalar};

/// One bound of a range and whether it belongs to it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Bound {
    value: f64,
    is_inside: bool,
}

/// Numbers from one bound to the other.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Range {
    bottom: Option<Bound>,
    top: Option<Bound>,
}

impl Range {
    /// Reads `["=", 1]`, `[">", 1]` or `[">=", 1, "<", 5]`; `most` is the largest number by its amount.
    pub(crate) fn parse(node: &Node, most: f64) -> Result<Self, String> {
        let Node::Array(terms) = node else { return Err("Value of numeric must be an array.".into()) };
        let mut range = Self::default();
        for (at, pair) in terms.chunks(2).enumerate() {
            let [operator, value] = pair else { return Err("Value of numeric must be numeric.".into()) };
            let Node::Scalar(Scalar::Text(operator)) = operator else {
                return Err(format!("Invalid member in numeric match: {}", word(operator)));
            };
            let value = match value {
                Node::Scalar(scalar) => {
                    scalar.number().ok_or_else(|| format!("Value of {operator} must be numeric"))?
                }
                _ => return Err(format!("Value of {operator} must be numeric")),
            };
            if value.is_nan() || value.abs() > most {
                return Err(format!("Value must be between -{most:e} and {most:e}, inclusive"));
            }
            range.add(operator, value, at)?;
        }
        if range == Self::default() {
            return Err("Invalid member in numeric match: ]".into());
        }
        Ok(range)
    }

    fn add(&mut self, operator: &str, value: f64, at: usize) -> Result<(), String> {
        let bound = |is_inside| Some(Bound { value, is_inside });
        match (operator, at) {
            ("=", 0) => (self.bottom, self.top) = (bound(true), bound(true)),
            (">", 0) => self.bottom = bound(false),
            (">=", 0) => self.bottom = bound(true),
            ("<", 0) => self.top = bound(false),
            ("<=", 0) => self.top = bound(true),
            ("<" | "<=", 1) if self.top.is_none() => {
                if self.bottom.is_some_and(|bottom| bottom.value >= value) {
                    return Err("Bottom must be less than top".into());
                }
                self.top = bound(operator == "<=");
            }
            ("=" | "<" | "<=" | ">" | ">=", _) => {
                return Err("Too many elements in numeric expression".into());
            }
            _ => return Err(format!("Unrecognized numeric range operator: {operator}")),
        }
        Ok(())
    }

    pub(crate) fn contains(&self, number: f64) -> bool {
        let above = |bound: Bound| number > bound.value || bound.is_inside && number == bound.value;
        let below = |bound: Bound| number < bound.value || bound.is_inside && number == bound.value;
        self.bottom.is_none_or(above) && self.top.is_none_or(below)
    }
}

fn word(node: &Node) -> String {
    match node {
        Node::Scalar(Scalar::Number(text)) => text.clone(),
        Node::Scalar(scalar) => format!("{scalar:?}").to_lowercase(),
        Node::Array(_) => "[".into(),
        Node::Object(_) => "{".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Event;

    fn parse(json: &str) -> Result<Range, String> {
        Range::parse(&Event::parse(json).unwrap().0, 5e9)
    }

    #[test]
    fn ranges_hold_what_lies_between_their_bounds() {
        for (json, inside, outside) in [
            (r#"["=", 3.0e2]"#, &[300.0][..], &[300.1, 0.0][..]),
            (r#"[">", 0, "<=", 5]"#, &[0.1, 5.0], &[0.0, 5.1]),
            (r#"[">=", -1]"#, &[-1.0, 1e9], &[-1.1]),
            (r#"["<", 10]"#, &[-5.0, 9.9], &[10.0]),
        ] {
            let range = parse(json).unwrap();
            assert!(inside.iter().all(|number| range.contains(*number)), "{json}");
            assert!(!outside.iter().any(|number| range.contains(*number)), "{json}");
        }
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for json in [
            "1",
            "[]",
            r#"[">"]"#,
            r#"[1, 2]"#,
            r#"[">", "1"]"#,
            r#"["<>", 1]"#,
            r#"[">", 5, "<", 5]"#,
            r#"["=", 1, "<", 2]"#,
            r#"["<", 1, ">", 0]"#,
            r#"[">", 1, "<", 2, "<", 3]"#,
            r#"[">", 6e9]"#,
        ] {
            assert!(parse(json).is_err(), "{json}");
        }
    }
}
