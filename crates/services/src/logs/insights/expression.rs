//! Reads expressions: `or`, `and`, `not`, comparisons, sums, products, powers, values, each binding tighter than the one
//! before.

use regex::{Regex, RegexBuilder};

use super::QueryError;
use super::ast::{Aggregate, AggregateFunction, Comparison, Expression};
use super::functions::{self, Function};
use super::lexer::{Spanned, Token};
use super::stats::{self, aggregate_named};

/// How deep an expression nests; each level is a few of the parser's own calls.
const DEPTH_MAX: usize = 64;
/// Compiled, a regular expression takes no more than this.
const REGEX_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Tokens, from left to right.
pub(super) struct Cursor<'a> {
    pub(super) text: &'a str,
    tokens: Vec<Spanned>,
    at: usize,
    depth: usize,
    /// Where aggregates may stand: those found so far.
    aggregates: Option<Vec<Aggregate>>,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str, tokens: Vec<Spanned>) -> Self {
        Self { text, tokens, at: 0, depth: 0, aggregates: None }
    }

    pub(super) fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|spanned| &spanned.token)
    }

    pub(super) fn next(&mut self) -> Option<Token> {
        let token = self.peek().cloned();
        self.at += usize::from(token.is_some());
        token
    }

    /// Where the next token begins.
    pub(super) fn start(&self) -> usize {
        self.tokens.get(self.at).map_or(self.text.len(), |spanned| spanned.start)
    }

    /// The characters of the next token.
    pub(super) fn here(&self) -> std::ops::Range<usize> {
        self.tokens.get(self.at).map_or(self.text.len()..self.text.len(), |next| next.start..next.end)
    }

    /// Reads expressions in which aggregates may stand. Each becomes a field of the name of its call.
    pub(super) fn over_aggregates<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, QueryError>,
    ) -> Result<(T, Vec<Aggregate>), QueryError> {
        self.aggregates = Some(Vec::new());
        let result = read(self);
        let aggregates = self.aggregates.take().unwrap_or_default();
        Ok((result?, aggregates))
    }

    /// The text from `start` to the end of the last token that was taken.
    pub(super) fn since(&self, start: usize) -> &'a str {
        let end =
            self.at.checked_sub(1).and_then(|last| self.tokens.get(last)).map_or(start, |last| last.end);
        self.text.get(start..end).unwrap_or_default()
    }

    pub(super) fn eat(&mut self, sign: &str) -> bool {
        let is_next = matches!(self.peek(), Some(Token::Sign(next)) if *next == sign);
        self.at += usize::from(is_next);
        is_next
    }

    pub(super) fn eat_word(&mut self, word: &str) -> bool {
        let is_next = matches!(self.peek(), Some(Token::Word(next)) if next.eq_ignore_ascii_case(word));
        self.at += usize::from(is_next);
        is_next
    }

    pub(super) fn expect(&mut self, sign: &str) -> Result<(), QueryError> {
        if self.eat(sign) { Ok(()) } else { Err(self.error(&format!("expected '{sign}'"))) }
    }

    /// An error at the next token.
    pub(super) fn error(&self, expected: &str) -> QueryError {
        match self.tokens.get(self.at) {
            Some(next) => QueryError {
                reason: format!(
                    "unexpected symbol found {} at character {}: {expected}",
                    &self.text[next.start..next.end],
                    next.start + 1
                ),
                span: next.start..next.end,
            },
            None => QueryError {
                reason: format!("unexpected end of the query: {expected}"),
                span: self.text.len()..self.text.len(),
            },
        }
    }

    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, QueryError>) -> Result<T, QueryError> {
        if self.depth == DEPTH_MAX {
            return Err(self.error("the expression is nested too deeply"));
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    pub(super) fn expression(&mut self) -> Result<Expression, QueryError> {
        let mut left = self.conjunction()?;
        while self.eat_word("or") {
            left = Expression::Or(Box::new(left), Box::new(self.conjunction()?));
        }
        Ok(left)
    }

    fn conjunction(&mut self) -> Result<Expression, QueryError> {
        let mut left = self.negation()?;
        while self.eat_word("and") || self.eat("&&") {
            left = Expression::And(Box::new(left), Box::new(self.negation()?));
        }
        Ok(left)
    }

    fn negation(&mut self) -> Result<Expression, QueryError> {
        if self.eat_word("not") {
            return self.deeper(|cursor| Ok(Expression::Not(Box::new(cursor.negation()?))));
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Result<Expression, QueryError> {
        let left = self.sum()?;
        for (sign, comparison) in [
            ("=", Comparison::Equal),
            ("!=", Comparison::NotEqual),
            ("<", Comparison::Less),
            ("<=", Comparison::LessOrEqual),
            (">", Comparison::Greater),
            (">=", Comparison::GreaterOrEqual),
        ] {
            if self.eat(sign) {
                return Ok(Expression::Compare(comparison, Box::new(left), Box::new(self.sum()?)));
            }
        }
        if self.eat("=~") {
            return self.like(left);
        }
        let is_negated = self.eat_word("not");
        let found = if self.eat_word("like") {
            self.like(left)?
        } else if self.eat_word("in") {
            self.list(left)?
        } else if is_negated {
            return Err(self.error("expected like or in"));
        } else {
            return Ok(left);
        };
        Ok(if is_negated { Expression::Not(Box::new(found)) } else { found })
    }

    fn like(&mut self, left: Expression) -> Result<Expression, QueryError> {
        match self.peek() {
            Some(Token::Text(_)) => {
                let Some(Token::Text(text)) = self.next() else { return Err(self.error("expected a text")) };
                Ok(Expression::LikeText(Box::new(left), text))
            }
            Some(Token::Regex(_)) => Ok(Expression::LikeRegex(Box::new(left), self.regex()?)),
            _ => Err(self.error("expected a text or a regular expression between slashes")),
        }
    }

    /// Takes a regular expression.
    pub(super) fn regex(&mut self) -> Result<Regex, QueryError> {
        let Some(Token::Regex(source)) = self.peek() else {
            return Err(self.error("expected a regular expression between slashes"));
        };
        let built = RegexBuilder::new(source).size_limit(REGEX_BYTES_MAX).build();
        let regex = built.map_err(|_| self.error("this regular expression is not supported"))?;
        self.next();
        Ok(regex)
    }

    fn list(&mut self, left: Expression) -> Result<Expression, QueryError> {
        let close = if self.eat("[") { "]" } else { self.expect("(").map(|()| ")")? };
        let mut values = vec![self.sum()?];
        while self.eat(",") {
            values.push(self.sum()?);
        }
        self.expect(close)?;
        Ok(Expression::In(Box::new(left), values))
    }

    fn sum(&mut self) -> Result<Expression, QueryError> {
        let mut left = self.product()?;
        loop {
            let sign = if self.eat("+") {
                '+'
            } else if self.eat("-") {
                '-'
            } else {
                return Ok(left);
            };
            left = Expression::Arithmetic(sign, Box::new(left), Box::new(self.product()?));
        }
    }

    fn product(&mut self) -> Result<Expression, QueryError> {
        let mut left = self.power()?;
        loop {
            let sign = match self.peek() {
                Some(Token::Sign("*")) => '*',
                Some(Token::Sign("/")) => '/',
                Some(Token::Sign("%")) => '%',
                _ => return Ok(left),
            };
            self.next();
            left = Expression::Arithmetic(sign, Box::new(left), Box::new(self.power()?));
        }
    }

    fn power(&mut self) -> Result<Expression, QueryError> {
        let base = self.value()?;
        if self.eat("^") {
            return self.deeper(|cursor| {
                let exponent = cursor.power()?;
                Ok(Expression::Arithmetic('^', Box::new(base), Box::new(exponent)))
            });
        }
        Ok(base)
    }

    fn value(&mut self) -> Result<Expression, QueryError> {
        if self.eat("(") {
            let inner = self.deeper(Self::expression)?;
            self.expect(")")?;
            return Ok(inner);
        }
        if self.eat("-") {
            let zero = Box::new(Expression::Number(0.0));
            return self.deeper(|cursor| Ok(Expression::Arithmetic('-', zero, Box::new(cursor.value()?))));
        }
        match self.peek() {
            Some(Token::Word(word)) if is_keyword(word) => Err(self.error("expected a value")),
            Some(Token::Word(_)) => {
                let start = self.start();
                let Some(Token::Word(word)) = self.next() else { return Err(self.error("expected a field")) };
                if self.eat("(") { self.deeper(|cursor| cursor.call(&word, start)) } else { self.path(word) }
            }
            Some(Token::Name(_)) => {
                let Some(Token::Name(name)) = self.next() else { return Err(self.error("expected a field")) };
                self.path(name)
            }
            Some(Token::Number(_) | Token::Text(_)) => Ok(match self.next() {
                Some(Token::Text(text)) => Expression::Text(text),
                Some(Token::Number(number)) => Expression::Number(number),
                _ => unreachable!("it was one of these above"),
            }),
            _ => Err(self.error("expected a value")),
        }
    }

    /// What follows a name into a map or a list: `list[0].a`, ``map.`special-name` ``. All becomes one name with points.
    fn path(&mut self, mut name: String) -> Result<Expression, QueryError> {
        loop {
            if self.eat("[") {
                match self.peek() {
                    Some(Token::Number(index)) if *index >= 0.0 && index.fract() == 0.0 => {
                        name.push_str(&format!(".{index}"));
                    }
                    _ => return Err(self.error("expected the number of an element")),
                }
                self.next();
                self.expect("]")?;
                continue;
            }
            let is_open = name.ends_with('.');
            if !is_open && !self.eat(".") {
                return Ok(Expression::Field(name));
            }
            match self.peek() {
                Some(Token::Word(step) | Token::Name(step)) => {
                    name.push_str(if is_open { "" } else { "." });
                    name.push_str(step);
                }
                _ if is_open => return Ok(Expression::Field(name)),
                _ => return Err(self.error("expected a name")),
            }
            self.next();
        }
    }

    fn call(&mut self, name: &str, start: usize) -> Result<Expression, QueryError> {
        if self.aggregates.is_some()
            && let Some(function) = aggregate_named(name)
        {
            return self.aggregate(function, start);
        }
        if name.eq_ignore_ascii_case("bin") {
            let period = self.period()?;
            self.expect(")")?;
            return Ok(Expression::Bin(period, Box::new(Expression::Field("@timestamp".to_owned()))));
        }
        let Some(function) = Function::named(name) else {
            let span = start..start + name.len();
            return Err(QueryError {
                reason: format!("unknown function {name} at character {}", start + 1),
                span,
            });
        };
        let mut arguments = Vec::new();
        if !self.eat(")") {
            arguments.push(self.expression()?);
            while self.eat(",") {
                if matches!(self.peek(), Some(Token::Duration(_))) {
                    let period = self.period()?;
                    #[allow(clippy::cast_precision_loss, reason = "a period is far below 2^53")]
                    arguments.push(Expression::Number(period as f64));
                } else {
                    arguments.push(self.expression()?);
                }
            }
            self.expect(")")?;
        }
        if !functions::takes(function, arguments.len()) {
            let span = start..start + name.len();
            return Err(QueryError {
                reason: format!("{name} does not take {} arguments", arguments.len()),
                span,
            });
        }
        Ok(Expression::Call(function, arguments))
    }

    fn aggregate(&mut self, function: AggregateFunction, start: usize) -> Result<Expression, QueryError> {
        // There are no aggregates of aggregates.
        let found = self.aggregates.take();
        let aggregate = stats::arguments(self, function, start);
        self.aggregates = found;
        let aggregate = aggregate?;
        let name = aggregate.name.clone();
        let found = self.aggregates.get_or_insert_default();
        if found.iter().all(|known| known.name != name) {
            found.push(aggregate);
        }
        Ok(Expression::Field(name))
    }

    fn period(&mut self) -> Result<i64, QueryError> {
        match self.peek() {
            Some(Token::Duration(period)) if *period > 0 => {
                let period = *period;
                self.next();
                Ok(period)
            }
            _ => Err(self.error("expected a period such as 30s, 5m or 1h")),
        }
    }
}

/// Words that end an expression instead of naming a field.
fn is_keyword(word: &str) -> bool {
    ["as", "by", "and", "or", "not", "like", "in", "asc", "desc"].iter().any(|k| word.eq_ignore_ascii_case(k))
}
