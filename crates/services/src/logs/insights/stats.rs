//! Reads `stats`: columns are expressions over aggregates, over what the rows are grouped by, and over the columns before
//! (User Guide, "Sample queries": `stats max(a) as x, min(b) as y, x - y as z`).

use super::QueryError;
use super::ast::{Aggregate, AggregateFunction, Named, Stats};
use super::expression::Cursor;
use super::lexer::Token;
use super::parse::{list, named};

pub(super) fn stats(cursor: &mut Cursor<'_>) -> Result<Stats, QueryError> {
    let mut places = Vec::new();
    let (columns, aggregates) = cursor.over_aggregates(|cursor| {
        list(cursor, |cursor| {
            places.push(cursor.here());
            named(cursor)
        })
    })?;
    let by = if cursor.eat_word("by") { list(cursor, named)? } else { Vec::new() };
    for (index, (column, place)) in columns.iter().zip(places).enumerate() {
        let is_known = |name: &str| {
            let named = |list: &[Named]| list.iter().any(|known| known.name == name);
            aggregates.iter().any(|known: &Aggregate| known.name == name)
                || named(&by)
                || named(&columns[..index])
        };
        let mut strange = None;
        column.expression.fields(&mut |name| {
            if !is_known(name) {
                strange.get_or_insert(name);
            }
        });
        if let Some(name) = strange {
            let reason = format!(
                "{name} at character {} has many values: expected a function that aggregates, such as count or avg",
                place.start + 1
            );
            return Err(QueryError { reason, span: place });
        }
    }
    Ok(Stats { aggregates, by, columns })
}

/// What a name means before a parenthesis; a percentile is yet to be told which.
pub(super) fn aggregate_named(name: &str) -> Option<AggregateFunction> {
    Some(match name.to_ascii_lowercase().as_str() {
        "count" => AggregateFunction::Count,
        "count_distinct" => AggregateFunction::CountDistinct,
        "sum" => AggregateFunction::Sum,
        "avg" => AggregateFunction::Avg,
        "min" => AggregateFunction::Min,
        "max" => AggregateFunction::Max,
        "stddev" => AggregateFunction::StdDev,
        "median" => AggregateFunction::Pct(50.0),
        "pct" | "percentile" => AggregateFunction::Pct(f64::NAN),
        "earliest" => AggregateFunction::Earliest,
        "latest" => AggregateFunction::Latest,
        "sortsfirst" => AggregateFunction::SortsFirst,
        "sortslast" => AggregateFunction::SortsLast,
        _ => return None,
    })
}

/// Reads the arguments of an aggregate, whose name began at `start`.
pub(super) fn arguments(
    cursor: &mut Cursor<'_>,
    plain: AggregateFunction,
    start: usize,
) -> Result<Aggregate, QueryError> {
    let is_all = plain == AggregateFunction::Count
        && (cursor.eat("*") || matches!(cursor.peek(), Some(Token::Sign(")"))));
    let of = if is_all { None } else { Some(cursor.expression()?) };
    let function = match plain {
        AggregateFunction::Pct(rank) if rank.is_nan() => {
            cursor.expect(",")?;
            match cursor.next() {
                Some(Token::Number(rank)) if (0.0..=100.0).contains(&rank) => AggregateFunction::Pct(rank),
                _ => return Err(cursor.error("expected a percentile from 0 to 100")),
            }
        }
        other => other,
    };
    cursor.expect(")")?;
    Ok(Aggregate { name: cursor.since(start).to_owned(), function, of })
}
