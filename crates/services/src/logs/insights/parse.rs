//! Reads commands.

use regex::RegexBuilder;

use super::QueryError;
use super::ast::{Command, Expression, Named, Order, Parse, Query};
use super::expression::Cursor;
use super::lexer::{Token, tokens};
use super::stats::stats;

/// The most rows of a result (User Guide, "limit").
pub(super) const ROWS_MAX: usize = 10_000;
/// Commands of one query; a query has 10,000 characters.
const COMMANDS_MAX: usize = 100;

impl Query {
    /// Reads a query.
    pub(crate) fn parse(text: &str) -> Result<Self, QueryError> {
        let mut cursor = Cursor::new(text, tokens(text)?);
        let mut commands = Vec::new();
        while cursor.peek().is_some() {
            commands.push(command(&mut cursor)?);
            if cursor.peek().is_some() {
                cursor.expect("|")?;
                if cursor.peek().is_none() {
                    return Err(cursor.error("expected a command"));
                }
            }
            if commands.len() > COMMANDS_MAX {
                return Err(cursor.error("there are too many commands"));
            }
        }
        let stats = commands.iter().position(|command| matches!(command, Command::Stats(_)));
        let before = &commands[..stats.unwrap_or(0)];
        if before.iter().any(|command| matches!(command, Command::Limit(_) | Command::Dedup(_))) {
            return Err(QueryError {
                reason: "limit and dedup are not supported before stats".to_owned(),
                span: 0..0,
            });
        }
        Ok(Self { commands })
    }
}

fn command(cursor: &mut Cursor<'_>) -> Result<Command, QueryError> {
    let expected = "expected one of fields, display, filter, parse, stats, sort, limit, dedup";
    let Some(Token::Word(word)) = cursor.peek().cloned() else { return Err(cursor.error(expected)) };
    let word = word.to_ascii_lowercase();
    if !["fields", "display", "filter", "parse", "stats", "sort", "order", "limit", "head", "dedup"]
        .contains(&word.as_str())
    {
        return Err(cursor.error(expected));
    }
    cursor.next();
    Ok(match word.as_str() {
        "fields" => Command::Fields(list(cursor, named)?),
        "display" => Command::Display(list(cursor, named)?),
        "filter" => Command::Filter(cursor.expression()?),
        "parse" => Command::Parse(parse(cursor)?),
        "stats" => Command::Stats(stats(cursor)?),
        "limit" | "head" => Command::Limit(limit(cursor)?),
        "dedup" => Command::Dedup(list(cursor, |cursor| cursor.expression())?),
        _ => {
            cursor.eat_word("by");
            Command::Sort(list(cursor, ordered)?)
        }
    })
}

pub(super) fn list<T>(
    cursor: &mut Cursor<'_>,
    mut one: impl FnMut(&mut Cursor<'_>) -> Result<T, QueryError>,
) -> Result<Vec<T>, QueryError> {
    let mut items = vec![one(cursor)?];
    while cursor.eat(",") {
        items.push(one(cursor)?);
    }
    Ok(items)
}

pub(super) fn named(cursor: &mut Cursor<'_>) -> Result<Named, QueryError> {
    let start = cursor.start();
    let expression = cursor.expression()?;
    let text = cursor.since(start);
    let text = match &expression {
        Expression::Field(name) if !text.ends_with(']') => name.clone(),
        _ => text.to_owned(),
    };
    let name = alias(cursor)?.unwrap_or(text);
    Ok(Named { name, expression })
}

fn alias(cursor: &mut Cursor<'_>) -> Result<Option<String>, QueryError> {
    if cursor.eat_word("as") { name(cursor).map(Some) } else { Ok(None) }
}

fn name(cursor: &mut Cursor<'_>) -> Result<String, QueryError> {
    match cursor.peek() {
        Some(Token::Word(_) | Token::Name(_)) => match cursor.next() {
            Some(Token::Word(name) | Token::Name(name)) => Ok(name),
            _ => unreachable!("it was one of these above"),
        },
        _ => Err(cursor.error("expected a name")),
    }
}

fn ordered(cursor: &mut Cursor<'_>) -> Result<(Expression, Order), QueryError> {
    // `sort count(*)` speaks of the column of that name, not of a function.
    let (expression, _) = cursor.over_aggregates(Cursor::expression)?;
    let order = if cursor.eat_word("desc") {
        Order::Descending
    } else {
        cursor.eat_word("asc");
        Order::Ascending
    };
    Ok((expression, order))
}

fn limit(cursor: &mut Cursor<'_>) -> Result<usize, QueryError> {
    match cursor.peek() {
        Some(Token::Number(number)) if *number >= 1.0 && number.fract() == 0.0 => {
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "at least one, and cut below"
            )]
            let rows = *number as usize;
            cursor.next();
            Ok(rows.min(ROWS_MAX))
        }
        _ => Err(cursor.error("expected a number of rows")),
    }
}

/// `parse [FIELD] "glob *" as a, b` or `parse [FIELD] /regex with (?<names>…)/ [as a, b]`.
fn parse(cursor: &mut Cursor<'_>) -> Result<Parse, QueryError> {
    let is_pattern = matches!(cursor.peek(), Some(Token::Text(_) | Token::Regex(_)));
    let from = if is_pattern {
        Expression::Field("@message".to_owned())
    } else {
        match cursor.peek() {
            Some(Token::Word(_) | Token::Name(_)) => Expression::Field(name(cursor)?),
            _ => return Err(cursor.error("expected a field")),
        }
    };
    let is_glob = matches!(cursor.peek(), Some(Token::Text(_)));
    let pattern = match cursor.peek() {
        Some(Token::Text(glob)) => {
            let source = glob_to_regex(glob);
            let regex = RegexBuilder::new(&source).dot_matches_new_line(true).build();
            let regex = regex.map_err(|_| cursor.error("this pattern is too large"))?;
            cursor.next();
            regex
        }
        _ => cursor.regex()?,
    };
    let names = if cursor.eat_word("as") {
        list(cursor, name)?
    } else {
        pattern.capture_names().flatten().map(str::to_owned).collect()
    };
    let groups = pattern.captures_len() - 1;
    if names.is_empty() || names.len() > groups || (is_glob && names.len() != groups) {
        return Err(
            cursor.error(&format!("expected as many names as the pattern has parts, which are {groups}"))
        );
    }
    Ok(Parse { from, pattern, names })
}

/// Each `*` takes as little as what follows it leaves; the last takes the rest.
fn glob_to_regex(glob: &str) -> String {
    let pieces: Vec<&str> = glob.split('*').collect();
    let last = pieces.len() - 1;
    let mut out = String::new();
    for (index, piece) in pieces.into_iter().enumerate() {
        if index > 0 {
            out.push_str(if index == last && piece.is_empty() { "(.*)" } else { "(.*?)" });
        }
        out.push_str(&regex::escape(piece));
    }
    out
}
