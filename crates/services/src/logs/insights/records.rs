//! Rows in memory, and the commands behind `stats`.

use super::ast::{Command, Order};
use super::eval::{Fields, eval};
use super::event::within;
use super::extract::extract;
use super::value::Value;

/// A row by its columns, from left to right.
#[derive(Debug, Clone)]
pub(super) struct Record(Vec<(String, Value<'static>)>);

impl Record {
    pub(super) fn new(columns: Vec<(String, Value<'static>)>) -> Self {
        Self(columns)
    }

    pub(super) fn set(&mut self, name: &str, value: Value<'static>) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    /// The columns with something to show.
    pub(super) fn show(self) -> Vec<(String, String)> {
        let shown = self.0.into_iter().filter_map(|(name, value)| {
            let text = value.display()?.into_owned();
            Some((name, text))
        });
        shown.collect()
    }
}

impl Fields for Record {
    fn field(&self, name: &str) -> Value<'_> {
        let own = self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        own.or_else(|| within(&self.0, name)).unwrap_or(Value::Null)
    }
}

/// Applies one command to rows in memory. `stats` is the caller's.
pub(super) fn apply(mut records: Vec<Record>, command: &Command) -> Vec<Record> {
    match command {
        Command::Fields(list) => {
            for record in &mut records {
                for named in list {
                    let value = eval(&named.expression, record).into_owned();
                    record.set(&named.name, value);
                }
            }
        }
        Command::Display(list) => {
            for record in &mut records {
                let columns = list.iter().map(|named| {
                    let value = eval(&named.expression, record).into_owned();
                    (named.name.clone(), value)
                });
                *record = Record(columns.collect());
            }
        }
        Command::Filter(condition) => records.retain(|record| eval(condition, record).is_true()),
        Command::Parse(parse) => {
            for record in &mut records {
                for (name, value) in extract(parse, record) {
                    record.set(&name, value);
                }
            }
        }
        Command::Sort(keys) => records.sort_by(|one, two| {
            let orders = keys.iter().map(|(key, order)| {
                let found = eval(key, one).compare(&eval(key, two));
                if *order == Order::Descending { found.reverse() } else { found }
            });
            orders.into_iter().find(|order| order.is_ne()).unwrap_or(std::cmp::Ordering::Equal)
        }),
        Command::Limit(rows) => records.truncate(*rows),
        Command::Dedup(keys) => {
            let mut seen = std::collections::HashSet::new();
            records.retain(|record| {
                let key: Vec<_> = keys.iter().map(|key| eval(key, record).as_text().into_owned()).collect();
                seen.insert(key)
            });
        }
        Command::Stats(_) => {}
    }
    records
}
