//! A query, taken apart.

use regex::Regex;

/// Commands, from the first to the last.
#[derive(Debug)]
pub(crate) struct Query {
    pub(super) commands: Vec<Command>,
}

#[derive(Debug)]
pub(super) enum Command {
    Fields(Vec<Named>),
    Display(Vec<Named>),
    Filter(Expression),
    Parse(Parse),
    Stats(Stats),
    Sort(Vec<(Expression, Order)>),
    Limit(usize),
    Dedup(Vec<Expression>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Ascending,
    Descending,
}

/// An expression under its alias, or else its own text.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) expression: Expression,
}

/// `parse FIELD PATTERN as NAMES`.
#[derive(Debug)]
pub(super) struct Parse {
    pub(super) from: Expression,
    pub(super) pattern: Regex,
    pub(super) names: Vec<String>,
}

/// `stats COLUMNS by KEYS`.
#[derive(Debug)]
pub(super) struct Stats {
    /// What is counted, each under the text of its call.
    pub(super) aggregates: Vec<Aggregate>,
    pub(super) by: Vec<Named>,
    /// What is shown: expressions over aggregates, keys, and the columns before.
    pub(super) columns: Vec<Named>,
}

#[derive(Debug)]
pub(super) struct Aggregate {
    /// Its call, such as `avg(@duration)`.
    pub(super) name: String,
    pub(super) function: AggregateFunction,
    /// What is aggregated; `None` for `count(*)`.
    pub(super) of: Option<Expression>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum AggregateFunction {
    Count,
    CountDistinct,
    Sum,
    Avg,
    Min,
    Max,
    StdDev,
    /// The percentile, from 0 to 100.
    Pct(f64),
    Earliest,
    Latest,
    SortsFirst,
    SortsLast,
}

#[derive(Debug)]
pub(super) enum Expression {
    Field(String),
    Number(f64),
    Text(String),
    Not(Box<Self>),
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    Compare(Comparison, Box<Self>, Box<Self>),
    LikeText(Box<Self>, String),
    LikeRegex(Box<Self>, Regex),
    In(Box<Self>, Vec<Self>),
    Arithmetic(char, Box<Self>, Box<Self>),
    /// A period in milliseconds, and the time in it.
    Bin(i64, Box<Self>),
    Call(super::functions::Function, Vec<Self>),
}

impl Expression {
    /// Calls `look` with the name of each field in it.
    pub(super) fn fields<'a>(&'a self, look: &mut impl FnMut(&'a str)) {
        match self {
            Self::Field(name) => look(name),
            Self::Number(_) | Self::Text(_) => {}
            Self::Not(inner) | Self::LikeText(inner, _) | Self::LikeRegex(inner, _) | Self::Bin(_, inner) => {
                inner.fields(look)
            }
            Self::And(left, right)
            | Self::Or(left, right)
            | Self::Compare(_, left, right)
            | Self::Arithmetic(_, left, right) => {
                left.fields(look);
                right.fields(look);
            }
            Self::In(left, list) => {
                left.fields(look);
                list.iter().for_each(|item| item.fields(look));
            }
            Self::Call(_, arguments) => arguments.iter().for_each(|argument| argument.fields(look)),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}
