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
    Stats { aggregates: Vec<Aggregate>, by: Vec<Named> },
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

#[derive(Debug)]
pub(super) struct Aggregate {
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}
