//! Conditions on the members of JSON events: `{ ($.a.b[0] = "x*" || $.c > 3) && $.d NOT EXISTS }`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::PatternError;
use super::condition::{Comparison, Operator};
use super::scanner::Scanner;

/// How deep parentheses go; a pattern has 1,024 characters, and each level is one of the parser's own calls.
const DEPTH_MAX: usize = 64;

#[derive(Debug)]
pub(super) struct Expression(Node);

#[derive(Debug)]
enum Node {
    All(Vec<Self>),
    Any(Vec<Self>),
    Condition(Selector, Test),
}

#[derive(Debug)]
enum Test {
    Compare(Comparison),
    IsNull,
    IsTrue,
    IsFalse,
    NotExists,
    Exists,
}

/// Where a value is: `$.a['b c'][0][*]`.
#[derive(Debug)]
struct Selector {
    text: String,
    steps: Vec<Step>,
}

#[derive(Debug)]
enum Step {
    Member(String),
    Index(usize),
    /// Every element or member.
    Each,
}

pub(super) fn parse(text: &str) -> Result<Expression, PatternError> {
    let mut scanner = Scanner::new(text);
    scanner.eat("{");
    let node = any(&mut scanner, 0)?;
    if !scanner.eat("}") {
        return Err(scanner.unexpected());
    }
    scanner.skip_spaces();
    if !scanner.is_at_end() {
        return Err(scanner.unexpected());
    }
    Ok(Expression(node))
}

fn any(scanner: &mut Scanner<'_>, depth: usize) -> Result<Node, PatternError> {
    let mut nodes = vec![all(scanner, depth)?];
    while scanner.eat("||") {
        nodes.push(all(scanner, depth)?);
    }
    Ok(if nodes.len() == 1 { nodes.remove(0) } else { Node::Any(nodes) })
}

fn all(scanner: &mut Scanner<'_>, depth: usize) -> Result<Node, PatternError> {
    let mut nodes = vec![one(scanner, depth)?];
    while scanner.eat("&&") {
        nodes.push(one(scanner, depth)?);
    }
    Ok(if nodes.len() == 1 { nodes.remove(0) } else { Node::All(nodes) })
}

/// A condition or an expression in parentheses, and the spaces behind it.
fn one(scanner: &mut Scanner<'_>, depth: usize) -> Result<Node, PatternError> {
    scanner.skip_spaces();
    let node = if scanner.eat("(") {
        if depth == DEPTH_MAX {
            return Err(PatternError::new("too many parentheses"));
        }
        let node = any(scanner, depth + 1)?;
        if !scanner.eat(")") {
            return Err(scanner.unexpected());
        }
        node
    } else {
        let selector = selector(scanner)?;
        scanner.skip_spaces();
        let test = test(scanner)?;
        Node::Condition(selector, test)
    };
    scanner.skip_spaces();
    Ok(node)
}

fn test(scanner: &mut Scanner<'_>) -> Result<Test, PatternError> {
    if let Some(operator) = Operator::read(scanner) {
        let bare = |c: char| !c.is_whitespace() && !"{}()&|\"<>=!".contains(c);
        return Comparison::read(scanner, operator, bare).map(Test::Compare);
    }
    let tests = if scanner.eat_word("IS") {
        vec![("NULL", Test::IsNull), ("TRUE", Test::IsTrue), ("FALSE", Test::IsFalse)]
    } else if scanner.eat_word("NOT") {
        vec![("EXISTS", Test::NotExists)]
    } else if scanner.eat_word("EXISTS") {
        return Ok(Test::Exists);
    } else {
        return Err(scanner.unexpected());
    };
    scanner.skip_spaces();
    let found = tests.into_iter().find_map(|(word, test)| scanner.eat_word(word).then_some(test));
    found.ok_or_else(|| scanner.unexpected())
}

fn selector(scanner: &mut Scanner<'_>) -> Result<Selector, PatternError> {
    let start = scanner.rest();
    if !scanner.eat("$") {
        return Err(scanner.unexpected());
    }
    let mut steps = Vec::new();
    loop {
        if scanner.eat(".") {
            if scanner.peek() == Some('[') {
                continue;
            }
            steps.push(match scanner.take_while(|c| c.is_alphanumeric() || "_-@#$:/*".contains(c)) {
                "" => return Err(scanner.unexpected()),
                "*" => Step::Each,
                name => Step::Member(name.to_owned()),
            });
        } else if scanner.eat("[") {
            scanner.skip_spaces();
            steps.push(bracket(scanner)?);
            scanner.skip_spaces();
            if !scanner.eat("]") {
                return Err(scanner.unexpected());
            }
        } else {
            break;
        }
    }
    if steps.is_empty() {
        return Err(PatternError::new("a selector names a member: $.name"));
    }
    let text = start[..start.len() - scanner.rest().len()].to_owned();
    Ok(Selector { text, steps })
}

/// What stands between brackets: an index, a star, or a name in quotation marks.
fn bracket(scanner: &mut Scanner<'_>) -> Result<Step, PatternError> {
    match scanner.peek() {
        Some('*') => {
            scanner.eat("*");
            Ok(Step::Each)
        }
        Some('"') => scanner.quoted().map(Step::Member),
        Some('\'') => {
            scanner.eat("'");
            let name = scanner.take_while(|c| c != '\'').to_owned();
            if scanner.eat("'") { Ok(Step::Member(name)) } else { Err(scanner.unexpected()) }
        }
        _ => {
            let digits = scanner.take_while(|c| c.is_ascii_digit());
            digits.parse().map(Step::Index).map_err(|_| scanner.unexpected())
        }
    }
}

impl Selector {
    /// Gives every value that is selected to `visit`.
    fn each<'a>(&self, root: &'a Value, visit: &mut impl FnMut(&'a Value)) {
        fn walk<'a>(steps: &[Step], value: &'a Value, visit: &mut impl FnMut(&'a Value)) {
            let Some((step, rest)) = steps.split_first() else { return visit(value) };
            match (step, value) {
                (Step::Member(name), Value::Object(members)) => {
                    if let Some(member) = members.get(name) {
                        walk(rest, member, visit);
                    }
                }
                (Step::Index(index), Value::Array(elements)) => {
                    if let Some(element) = elements.get(*index) {
                        walk(rest, element, visit);
                    }
                }
                (Step::Each, Value::Array(elements)) => elements.iter().for_each(|v| walk(rest, v, visit)),
                (Step::Each, Value::Object(members)) => members.values().for_each(|v| walk(rest, v, visit)),
                _ => {}
            }
        }
        walk(&self.steps, root, visit);
    }
}

impl Test {
    fn holds(&self, value: &Value) -> bool {
        match self {
            Self::IsNull => value.is_null(),
            Self::IsTrue => value == &Value::Bool(true),
            Self::IsFalse => value == &Value::Bool(false),
            Self::Exists => true,
            Self::NotExists => false,
            Self::Compare(comparison) => match value {
                Value::String(text) => comparison.holds_for_text(text),
                Value::Number(number) => number
                    .as_f64()
                    .is_some_and(|value| comparison.holds_for_number(value, &number.to_string())),
                Value::Bool(value) => comparison.holds_for_text(if *value { "true" } else { "false" }),
                // Neither equal nor unequal to anything that can be written.
                Value::Null | Value::Array(_) | Value::Object(_) => false,
            },
        }
    }
}

impl Node {
    fn matches(&self, root: &Value) -> bool {
        match self {
            Self::All(nodes) => nodes.iter().all(|node| node.matches(root)),
            Self::Any(nodes) => nodes.iter().any(|node| node.matches(root)),
            Self::Condition(selector, test) => {
                let (mut found, mut holds) = (false, false);
                selector.each(root, &mut |value| {
                    found = true;
                    holds |= test.holds(value);
                });
                if matches!(test, Test::NotExists) { !found } else { holds }
            }
        }
    }

    fn selectors<'a>(&'a self, out: &mut Vec<&'a Selector>) {
        match self {
            Self::All(nodes) | Self::Any(nodes) => nodes.iter().for_each(|node| node.selectors(out)),
            Self::Condition(selector, _) => out.push(selector),
        }
    }
}

impl Expression {
    pub(super) fn matches(&self, message: &str) -> bool {
        document(message).is_some_and(|root| self.0.matches(&root))
    }

    pub(super) fn extract(&self, message: &str) -> BTreeMap<String, String> {
        let Some(root) = document(message) else { return BTreeMap::new() };
        let mut selectors = Vec::new();
        self.0.selectors(&mut selectors);
        let mut values = BTreeMap::new();
        for selector in selectors {
            selector.each(&root, &mut |value| {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                values.entry(selector.text.clone()).or_insert(text);
            });
        }
        values
    }
}

/// An event that is a JSON object or array as a whole.
fn document(message: &str) -> Option<Value> {
    let text = message.trim();
    text.starts_with(['{', '[']).then(|| serde_json::from_str(text).ok()).flatten()
}
