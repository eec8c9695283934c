//! A query at work: events in, rows out.

use super::aggregate::Groups;
use super::ast::{Command, Query, Stats};
use super::eval::eval;
use super::event::Row;
use super::extract::extract;
use super::gather::Gather;
use super::parse::ROWS_MAX;
use super::records::{Record, apply};

/// A query would need more memory than one may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the query has too many groups or distinct values for the memory that a query has: filter more, or group by less"
)]
pub(crate) struct Exhausted;

/// What has come out so far.
pub(crate) struct Run {
    query: Query,
    limit: usize,
    /// Where the first `stats` is, if there is one.
    stats: Option<usize>,
    stage: Stage,
    /// Events that all filters let pass.
    pub(crate) matched: u64,
}

enum Stage {
    Rows(Box<Gather>),
    Groups(Groups),
}

impl Run {
    /// `limit` is that of the call, beside the query's own.
    pub(crate) fn new(query: Query, limit: Option<usize>) -> Self {
        let limit = limit.unwrap_or(ROWS_MAX).min(ROWS_MAX);
        let stats = query.commands.iter().position(|command| matches!(command, Command::Stats(_)));
        let stage = match stats {
            Some(_) => Stage::Groups(Groups::new()),
            None => Stage::Rows(Box::new(Gather::new(&query, limit))),
        };
        Self { query, limit, stats, stage, matched: 0 }
    }

    /// Takes one event.
    pub(crate) fn add(&mut self, mut row: Row<'_>) -> Result<(), Exhausted> {
        let before = self.stats.unwrap_or(self.query.commands.len());
        for command in &self.query.commands[..before] {
            match command {
                Command::Filter(condition) if eval(condition, &row).is_true() => {}
                Command::Filter(_) => return Ok(()),
                Command::Fields(list) => {
                    for named in list {
                        // A field under its own name is there already.
                        if !matches!(&named.expression, super::ast::Expression::Field(name) if *name == named.name)
                        {
                            let value = eval(&named.expression, &row).into_owned();
                            row.set(&named.name, value);
                        }
                    }
                }
                Command::Parse(parse) => {
                    for (name, value) in extract(parse, &row) {
                        row.set(&name, value);
                    }
                }
                _ => {}
            }
        }
        self.matched += 1;
        match (&mut self.stage, self.stats.map(|at| &self.query.commands[at])) {
            (Stage::Groups(groups), Some(Command::Stats(stats))) => groups.add(&row, row.at_ms, stats),
            (Stage::Rows(gather), _) => {
                gather.add(&self.query, &row);
                Ok(())
            }
            (Stage::Groups(_), _) => Ok(()),
        }
    }

    /// The rows, each by its columns with something to show.
    pub(crate) fn finish(self) -> Result<Vec<Vec<(String, String)>>, Exhausted> {
        let Self { query, limit, stats, stage, .. } = self;
        let mut records = match (stage, stats.map(|at| &query.commands[at])) {
            (Stage::Groups(groups), Some(Command::Stats(stats))) => groups.finish(stats),
            (Stage::Rows(gather), _) => gather.finish(&query),
            (Stage::Groups(_), _) => Vec::new(),
        };
        let rest = stats.map_or(&[][..], |at| &query.commands[at + 1..]);
        for command in rest {
            records = match command {
                Command::Stats(stats) => again(&records, stats)?,
                other => apply(records, other),
            };
        }
        records.truncate(limit);
        Ok(records.into_iter().map(Record::show).collect())
    }
}

/// A second `stats`, over the rows of the first.
fn again(records: &[Record], stats: &Stats) -> Result<Vec<Record>, Exhausted> {
    let mut groups = Groups::new();
    // Rows of groups have no time of their own: what is earliest among them is the first.
    for (at, record) in (0..).zip(records) {
        groups.add(record, at, stats)?;
    }
    Ok(groups.finish(stats))
}
