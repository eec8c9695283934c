//! Patterns as trees of the event's shape.

use crate::event::{Event, Node, NotAnEvent, Scalar};
use crate::operator::{NAMES, Operator};

/// Alternatives that the `$or`s of a pattern may come to when multiplied out (Amazon EventBridge User Guide, "Comparison
/// operators", "Or matching": "over 1,000 rule combinations").
const COMBINATIONS: usize = 1_000;

/// Who asks. Each service takes a part of the language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Rules of event buses and archives.
    Rule,
    /// Filters of event source mappings (Lambda Developer Guide, "Control which events Lambda sends to your function").
    Mapping,
    /// Filter policies of subscriptions on the message's attributes (SNS Developer Guide, "Amazon SNS subscription filter
    /// policies"): one level.
    Attributes,
    /// The same on the message's body.
    Body,
}

impl Dialect {
    pub(crate) fn knows(self, operator: &str) -> bool {
        match operator {
            "prefix" | "suffix" | "equals-ignore-case" | "anything-but" | "numeric" | "exists" => true,
            "cidr" | "wildcard" => self != Self::Mapping,
            _ => false,
        }
    }

    pub(crate) fn knows_within_anything_but(self, operator: &str) -> bool {
        match operator {
            "prefix" | "suffix" | "equals-ignore-case" | "wildcard" => self != Self::Mapping,
            _ => false,
        }
    }

    /// SNS compares numbers, the others their texts.
    pub(crate) fn compares_numbers_by_value(self) -> bool {
        matches!(self, Self::Attributes | Self::Body)
    }

    /// "-5.0e9 and +5.0e9 inclusive" (EventBridge User Guide); "from -10^9 to 10^9" (SNS Developer Guide).
    pub(crate) fn largest_number(self) -> f64 {
        if self.compares_numbers_by_value() { 1e9 } else { 5e9 }
    }
}

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct InvalidPattern {
    reason: String,
}

impl InvalidPattern {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }
}

impl From<NotAnEvent> for InvalidPattern {
    fn from(error: NotAnEvent) -> Self {
        Self::new(error.to_string())
    }
}

/// What is asked of events.
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern(pub(crate) Fields);

/// What is asked of an object: each member, and of each `$or` one of its alternatives.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Fields {
    pub(crate) members: Vec<(String, Member)>,
    any_of: Vec<Vec<Fields>>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Member {
    Object(Fields),
    Leaf(Leaf),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Leaf {
    /// From the event's root, for what must be nowhere.
    pub(crate) path: Vec<String>,
    pub(crate) any_of: Vec<Operator>,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    ///
    /// It is none in this dialect. The error's text is the reason in the words that EventBridge gives, without the place.
    pub fn parse(json: &str, dialect: Dialect) -> Result<Self, InvalidPattern> {
        let event = Event::parse(json)?;
        let Node::Object(_) = &event.0 else { return Err(InvalidPattern::new("Filter is not an object")) };
        let fields = Fields::parse(&event.0, dialect, &mut Vec::new())?;
        match fields.combinations() <= COMBINATIONS {
            true => Ok(Self(fields)),
            false => Err(InvalidPattern::new(format!(
                "Rule is too complex: more than {COMBINATIONS} combinations of its alternatives"
            ))),
        }
    }

    /// Whether an event has all that is asked.
    pub fn matches(&self, event: &Event) -> bool {
        self.0.matches(Some(&event.0), &event.0)
    }
}

impl Member {
    /// What it takes to look: at a few literals, at other operators, into an object.
    fn cost(&self) -> usize {
        match self {
            Self::Leaf(leaf) if leaf.any_of.iter().all(|one| matches!(one, Operator::Equals(_))) => 0,
            Self::Leaf(_) => 1,
            Self::Object(_) => 2,
        }
    }
}

impl Fields {
    fn parse(node: &Node, dialect: Dialect, path: &mut Vec<String>) -> Result<Self, InvalidPattern> {
        let Node::Object(members) = node else { return Err(InvalidPattern::new("Filter is not an object")) };
        if members.is_empty() {
            return Err(InvalidPattern::new("Empty objects are not allowed"));
        }
        let mut fields = Self::default();
        for (name, value) in members {
            if let Some(alternatives) = alternatives(name, value) {
                let parse = |alternative| Self::parse(alternative, dialect, path);
                fields.any_of.push(alternatives.iter().map(parse).collect::<Result<_, _>>()?);
                continue;
            }
            path.push(name.clone());
            let member = match value {
                Node::Object(_) if dialect == Dialect::Attributes => {
                    let problem =
                        "Filter policy scope MessageAttributes does not support nested filter policy";
                    return Err(InvalidPattern::new(problem));
                }
                Node::Object(_) => Member::Object(Self::parse(value, dialect, path)?),
                Node::Array(values) => Member::Leaf(Leaf::parse(values, dialect, path)?),
                Node::Scalar(_) => {
                    return Err(InvalidPattern::new(format!("\"{name}\" must be an object or an array")));
                }
            };
            path.pop();
            fields.members.push((name.clone(), member));
        }
        // What is cheap and mostly not met first: most events are refused by their source or kind.
        fields.members.sort_by_key(|(_, member)| member.cost());
        Ok(fields)
    }

    fn combinations(&self) -> usize {
        let within = self.members.iter().map(|(_, member)| match member {
            Member::Object(fields) => fields.combinations(),
            Member::Leaf(_) => 1,
        });
        let or =
            self.any_of.iter().map(|any| any.iter().map(Self::combinations).fold(0, usize::saturating_add));
        within.chain(or).fold(1, usize::saturating_mul)
    }

    /// `node` is what the event has at this place, if anything.
    fn matches(&self, node: Option<&Node>, root: &Node) -> bool {
        match node {
            // All of it has to be met by one and the same item, or by there being nothing.
            Some(Node::Array(items)) => {
                items.iter().any(|item| self.matches(Some(item), root)) || self.matches(None, root)
            }
            Some(Node::Object(members)) => self.met(&|name| members.get(name), root),
            Some(Node::Scalar(_)) | None => self.met(&|_| None, root),
        }
    }

    fn met<'a>(&self, member: &dyn Fn(&str) -> Option<&'a Node>, root: &Node) -> bool {
        self.members.iter().all(|(name, asked)| match asked {
            Member::Object(fields) => fields.matches(member(name), root),
            Member::Leaf(leaf) => leaf.matches(member(name), root),
        }) && self.any_of.iter().all(|any| any.iter().any(|fields| fields.met(member, root)))
    }
}

impl Leaf {
    fn parse(values: &[Node], dialect: Dialect, path: &[String]) -> Result<Self, InvalidPattern> {
        if values.is_empty() {
            return Err(InvalidPattern::new("Empty arrays are not allowed"));
        }
        let any_of = values.iter().map(|value| Operator::parse(value, dialect)).collect::<Result<_, _>>()?;
        Ok(Self { path: path.to_vec(), any_of })
    }

    fn matches(&self, node: Option<&Node>, root: &Node) -> bool {
        let mut is_asked = |scalar: &Scalar| self.any_of.iter().any(|operator| operator.matches(scalar));
        node.is_some_and(|node| node.scalars(&mut is_asked))
            || self.any_of.contains(&Operator::Absent) && !root.scalars_at(&self.path, &mut |_| true)
    }
}

/// The alternatives of an `$or`. What is not written as one is a field that happens to have that name (Amazon EventBridge
/// User Guide, "Comparison operators", "Or matching").
fn alternatives<'a>(name: &str, value: &'a Node) -> Option<&'a [Node]> {
    let Node::Array(items) = value else { return None };
    let is_alternative = |item: &Node| {
        matches!(item, Node::Object(members) if !members.is_empty()
            && members.keys().all(|name| name == "$or" || !NAMES.contains(&name.as_str())))
    };
    (name == "$or" && items.len() > 1 && items.iter().all(is_alternative)).then_some(items)
}
