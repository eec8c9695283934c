//! The rows of a query without `stats`: the best so far, never more than fit.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};

use super::ast::{Command, Expression, Named, Order, Query};
use super::eval::{Fields, eval};
use super::event::Row;
use super::records::Record;
use super::value::Value;

/// Bytes that the rows of one result may take; those beyond are left out, the worst first.
const BYTES_MAX: usize = 32 * 1024 * 1024;

/// A column of the result.
enum Column {
    Field(String),
    /// By its place among the named expressions of the last `display`.
    Display(usize),
}

pub(super) struct Gather {
    columns: Vec<Column>,
    /// Index of the command with the expressions of `Column::Display`.
    display: Option<usize>,
    sort: Option<usize>,
    dedup: Option<usize>,
    limit: usize,
    heap: BinaryHeap<Ranked>,
    /// Of each key of `dedup` the rank that is in the heap.
    bytes: usize,
    arrived: u64,
}

struct Ranked {
    keys: Vec<(Value<'static>, Order)>,
    at_ms: i64,
    arrived: u64,
    values: Vec<Value<'static>>,
    dedup: Option<Vec<String>>,
    bytes: usize,
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Ranked {}
impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Ranked {
    /// What is shown first is the smallest; without a `sort` that is the newest.
    fn cmp(&self, other: &Self) -> Ordering {
        for ((one, order), (two, _)) in self.keys.iter().zip(&other.keys) {
            let found = one.compare(two);
            let found = if *order == Order::Descending { found.reverse() } else { found };
            if found.is_ne() {
                return found;
            }
        }
        other.at_ms.cmp(&self.at_ms).then(self.arrived.cmp(&other.arrived))
    }
}

impl Gather {
    pub(super) fn new(query: &Query, limit: usize) -> Self {
        let mut gather = Self {
            columns: Vec::new(),
            display: None,
            sort: None,
            dedup: None,
            limit,
            heap: BinaryHeap::new(),
            bytes: 0,
            arrived: 0,
        };
        let mut fields: Vec<String> = Vec::new();
        let mut add = |name: &str| {
            if !fields.iter().any(|known| known == name) {
                fields.push(name.to_owned());
            }
        };
        for (index, command) in query.commands.iter().enumerate() {
            match command {
                Command::Fields(list) => list.iter().for_each(|named| add(&named.name)),
                Command::Parse(parse) => parse.names.iter().for_each(|name| add(name)),
                Command::Display(_) => gather.display = Some(index),
                Command::Sort(_) => gather.sort = Some(index),
                Command::Dedup(_) => gather.dedup = Some(index),
                Command::Limit(rows) => gather.limit = gather.limit.min(*rows),
                Command::Filter(_) | Command::Stats(_) => {}
            }
        }
        gather.columns = match gather.display.map(|index| &query.commands[index]) {
            Some(Command::Display(list)) => (0..list.len()).map(Column::Display).collect(),
            _ if fields.is_empty() => ["@timestamp", "@message"].map(|n| Column::Field(n.to_owned())).into(),
            _ => fields.into_iter().map(Column::Field).collect(),
        };
        if gather.display.is_none() || !gather.columns.is_empty() {
            gather.columns.push(Column::Field("@ptr".to_owned()));
        }
        gather
    }

    pub(super) fn add(&mut self, query: &Query, row: &Row<'_>) {
        self.arrived += 1;
        let mut ranked = Ranked {
            keys: self
                .sort_keys(query)
                .iter()
                .map(|(key, order)| (eval(key, row).into_owned(), *order))
                .collect(),
            at_ms: row.at_ms,
            arrived: self.arrived,
            values: Vec::new(),
            dedup: None,
            bytes: 0,
        };
        // With `dedup` it is not known before the end which row of a key comes first.
        let is_full = self.heap.len() >= self.limit || self.bytes > BYTES_MAX;
        let may_skip = self.dedup.is_none() && is_full;
        if may_skip && self.heap.peek().is_some_and(|worst| *worst < ranked) {
            return;
        }
        ranked.values = self.values(query, row);
        if let Some(Command::Dedup(keys)) = self.dedup.map(|index| &query.commands[index]) {
            ranked.dedup = Some(keys.iter().map(|key| eval(key, row).as_text().into_owned()).collect());
        }
        let texts: usize = ranked.dedup.iter().flatten().map(String::len).sum();
        let values = ranked.values.iter().chain(ranked.keys.iter().map(|(key, _)| key));
        ranked.bytes = size_of::<Ranked>() + texts + values.map(Value::size).sum::<usize>();
        self.bytes += ranked.bytes;
        self.heap.push(ranked);
        self.shrink();
    }

    fn sort_keys<'q>(&self, query: &'q Query) -> &'q [(Expression, Order)] {
        match self.sort.map(|index| &query.commands[index]) {
            Some(Command::Sort(keys)) => keys,
            _ => &[],
        }
    }

    fn values(&self, query: &Query, row: &Row<'_>) -> Vec<Value<'static>> {
        let displayed: &[Named] = match self.display.map(|index| &query.commands[index]) {
            Some(Command::Display(list)) => list,
            _ => &[],
        };
        let value = |column: &Column| match column {
            Column::Field(name) => row.field(name).into_owned(),
            Column::Display(index) => eval(&displayed[*index].expression, row).into_owned(),
        };
        self.columns.iter().map(value).collect()
    }

    fn shrink(&mut self) {
        if self.dedup.is_some() && (self.heap.len() > 4 * self.limit || self.bytes > BYTES_MAX) {
            self.deduplicate();
        }
        let most = if self.dedup.is_some() { usize::MAX } else { self.limit };
        while self.heap.len() > most || (self.bytes > BYTES_MAX && self.heap.len() > 1) {
            let Some(worst) = self.heap.pop() else { break };
            self.bytes -= worst.bytes;
        }
    }

    /// Leaves the best row of each key. Rows beyond the limit may go: whatever comes later pushes them further back.
    fn deduplicate(&mut self) {
        let mut best: HashMap<Vec<String>, Ranked> = HashMap::new();
        for ranked in std::mem::take(&mut self.heap).into_sorted_vec() {
            let key = ranked.dedup.clone().unwrap_or_default();
            best.entry(key).or_insert(ranked);
        }
        let mut kept: Vec<Ranked> = best.into_values().collect();
        kept.sort();
        kept.truncate(self.limit);
        self.bytes = kept.iter().map(|ranked| ranked.bytes).sum();
        self.heap = kept.into();
    }

    pub(super) fn finish(mut self, query: &Query) -> Vec<Record> {
        if self.dedup.is_some() {
            self.deduplicate();
        }
        let displayed = match self.display.map(|index| &query.commands[index]) {
            Some(Command::Display(list)) => list.iter().map(|named| named.name.clone()).collect(),
            _ => Vec::new(),
        };
        let name = |column: &Column| match column {
            Column::Field(name) => name.clone(),
            Column::Display(index) => displayed.get(*index).cloned().unwrap_or_default(),
        };
        let names: Vec<String> = self.columns.iter().map(name).collect();
        let rows = self.heap.into_sorted_vec().into_iter();
        rows.map(|ranked| Record::new(names.iter().cloned().zip(ranked.values).collect())).collect()
    }
}
