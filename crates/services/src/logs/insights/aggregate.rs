//! `stats`: groups, and what is counted in each.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use super::ast::{AggregateFunction, Stats};
use super::eval::{Fields, eval};
use super::records::Record;
use super::run::Exhausted;
use super::value::Value;

/// Bytes that groups and what they count may take; a query over more fails instead of filling the memory.
const BYTES_MAX: usize = 64 * 1024 * 1024;
/// Values of a percentile that are kept as they are; beyond, they go into buckets of one percent.
const EXACT: usize = 1_000;

pub(super) struct Groups {
    hasher: RandomState,
    groups: HashMap<Vec<Option<String>>, Group>,
    bytes: usize,
}

struct Group {
    key: Vec<Value<'static>>,
    counts: Vec<Accumulator>,
}

impl Groups {
    pub(super) fn new() -> Self {
        Self { hasher: RandomState::new(), groups: HashMap::new(), bytes: 0 }
    }

    pub(super) fn add(&mut self, row: &impl Fields, at_ms: i64, stats: &Stats) -> Result<(), Exhausted> {
        let Stats { aggregates, by, .. } = stats;
        let key: Vec<Value<'_>> = by.iter().map(|named| eval(&named.expression, row)).collect();
        let text: Vec<Option<String>> =
            key.iter().map(|v| v.display().map(|text| text.into_owned())).collect();
        let bytes = &mut self.bytes;
        let group = self.groups.entry(text).or_insert_with_key(|text| {
            let texts: usize = text.iter().flatten().map(String::len).sum();
            *bytes += 2 * texts + 64 + size_of::<Accumulator>() * aggregates.len();
            let counts = aggregates.iter().map(|aggregate| Accumulator::new(aggregate.function)).collect();
            Group { key: key.into_iter().map(Value::into_owned).collect(), counts }
        });
        for (aggregate, count) in aggregates.iter().zip(&mut group.counts) {
            let value = aggregate.of.as_ref().map_or(Value::Number(1.0), |of| eval(of, row));
            if !value.is_null() {
                *bytes += count.add(&value, at_ms, &self.hasher);
            }
        }
        if self.bytes > BYTES_MAX { Err(Exhausted) } else { Ok(()) }
    }

    /// The groups as rows, in the order of their keys. Without `by` there is one, also of nothing.
    pub(super) fn finish(self, stats: &Stats) -> Vec<Record> {
        let Stats { aggregates, by, columns } = stats;
        let mut groups: Vec<Group> = self.groups.into_values().collect();
        if groups.is_empty() && by.is_empty() {
            let counts = aggregates.iter().map(|aggregate| Accumulator::new(aggregate.function)).collect();
            groups.push(Group { key: Vec::new(), counts });
        }
        groups.sort_by(|one, two| {
            let pairs = one.key.iter().zip(&two.key);
            pairs
                .map(|(one, two)| one.compare(two))
                .find(|order| order.is_ne())
                .unwrap_or(std::cmp::Ordering::Equal)
        });
        let record = |group: Group| {
            let keys = by.iter().map(|named| named.name.clone()).zip(group.key);
            let names = aggregates.iter().map(|aggregate| aggregate.name.clone());
            let mut shown: Vec<_> = keys.collect();
            let counts = names.zip(group.counts.into_iter().map(Accumulator::finish));
            let mut known = Record::new(shown.iter().cloned().chain(counts).collect());
            for column in columns {
                let value = eval(&column.expression, &known).into_owned();
                known.set(&column.name, value.clone());
                shown.push((column.name.clone(), value));
            }
            Record::new(shown)
        };
        groups.into_iter().map(record).collect()
    }
}

enum Accumulator {
    Count(u64),
    Distinct(HashSet<u64>),
    Moments { sum: f64, squares: f64, count: u64, function: AggregateFunction },
    Extreme { best: Option<Value<'static>>, is_max: bool, by_text: bool },
    Edge { best: Option<(i64, Value<'static>)>, is_latest: bool },
    Percentile { rank: f64, values: Vec<f64>, buckets: BTreeMap<(bool, i32), u64> },
}

impl Accumulator {
    fn new(function: AggregateFunction) -> Self {
        let extreme = |is_max, by_text| Self::Extreme { best: None, is_max, by_text };
        match function {
            AggregateFunction::Count => Self::Count(0),
            AggregateFunction::CountDistinct => Self::Distinct(HashSet::new()),
            AggregateFunction::Sum | AggregateFunction::Avg | AggregateFunction::StdDev => {
                Self::Moments { sum: 0.0, squares: 0.0, count: 0, function }
            }
            AggregateFunction::Min => extreme(false, false),
            AggregateFunction::Max => extreme(true, false),
            AggregateFunction::SortsFirst => extreme(false, true),
            AggregateFunction::SortsLast => extreme(true, true),
            AggregateFunction::Earliest => Self::Edge { best: None, is_latest: false },
            AggregateFunction::Latest => Self::Edge { best: None, is_latest: true },
            AggregateFunction::Pct(rank) => {
                Self::Percentile { rank, values: Vec::new(), buckets: BTreeMap::new() }
            }
        }
    }

    /// Takes a value that is there. Answers how many bytes it added.
    fn add(&mut self, value: &Value<'_>, at_ms: i64, hasher: &RandomState) -> usize {
        match self {
            Self::Count(count) => *count += 1,
            Self::Distinct(seen) => {
                return 16 * usize::from(seen.insert(hasher.hash_one(value.as_text())));
            }
            Self::Moments { sum, squares, count, .. } => {
                if let Some(number) = value.number() {
                    *sum += number;
                    *squares += number * number;
                    *count += 1;
                }
            }
            Self::Extreme { best, is_max, by_text } => {
                if !*by_text && value.number().is_none() {
                    return 0;
                }
                let wanted = if *is_max { std::cmp::Ordering::Greater } else { std::cmp::Ordering::Less };
                let order = |best: &Value<'_>| {
                    if *by_text { value.as_text().cmp(&best.as_text()) } else { value.compare(best) }
                };
                if best.as_ref().is_none_or(|best| order(best) == wanted) {
                    *best = Some(value.clone().into_owned());
                    return value.size();
                }
            }
            Self::Edge { best, is_latest } => {
                let is_better = |at: i64| if *is_latest { at_ms >= at } else { at_ms < at };
                if best.as_ref().is_none_or(|(at, _)| is_better(*at)) {
                    *best = Some((at_ms, value.clone().into_owned()));
                    return value.size();
                }
            }
            Self::Percentile { values, buckets, .. } => {
                return value.number().map_or(0, |number| add_to_percentile(values, buckets, number));
            }
        }
        0
    }

    #[allow(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    fn finish(self) -> Value<'static> {
        match self {
            Self::Count(count) => Value::Number(count as f64),
            Self::Distinct(seen) => Value::Number(seen.len() as f64),
            Self::Moments { sum, function: AggregateFunction::Sum, .. } => Value::Number(sum),
            Self::Moments { count: 0, .. } => Value::Null,
            Self::Moments { sum, count, function: AggregateFunction::Avg, .. } => {
                Value::Number(sum / count as f64)
            }
            Self::Moments { sum, squares, count, .. } => {
                let mean = sum / count as f64;
                Value::Number((squares / count as f64 - mean * mean).max(0.0).sqrt())
            }
            Self::Extreme { best, .. } => best.unwrap_or(Value::Null),
            Self::Edge { best, .. } => best.map_or(Value::Null, |(_, value)| value),
            Self::Percentile { rank, values, buckets } => percentile(rank, values, &buckets),
        }
    }
}

/// Buckets grow by one percent from one to the next.
const GROWTH: f64 = 1.01;

/// Answers how many bytes it added.
fn add_to_percentile(values: &mut Vec<f64>, buckets: &mut BTreeMap<(bool, i32), u64>, number: f64) -> usize {
    if buckets.is_empty() && values.len() < EXACT {
        values.push(number);
        return 8;
    }
    let before = buckets.len();
    for number in values.drain(..).chain([number]) {
        *buckets.entry(bucket(number)).or_default() += 1;
    }
    (buckets.len() - before) * 64
}

/// Sign and size; the smallest of all is the zero's.
fn bucket(number: f64) -> (bool, i32) {
    if number == 0.0 {
        return (true, i32::MIN);
    }
    #[allow(clippy::cast_possible_truncation, reason = "the logarithm of a float is below a million")]
    let size = (number.abs().ln() / GROWTH.ln()).round() as i32;
    // Negative ones in the opposite order.
    if number > 0.0 { (true, size) } else { (false, -size) }
}

#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "ranks are between zero and the count, which is far below 2^53"
)]
fn percentile(rank: f64, mut values: Vec<f64>, buckets: &BTreeMap<(bool, i32), u64>) -> Value<'static> {
    if buckets.is_empty() {
        if values.is_empty() {
            return Value::Null;
        }
        values.sort_by(f64::total_cmp);
        let place = (rank / 100.0 * values.len() as f64).ceil().max(1.0) as usize;
        return Value::Number(values[place.min(values.len()) - 1]);
    }
    let total: u64 = buckets.values().sum();
    let mut left = (rank / 100.0 * total as f64).ceil().max(1.0) as u64;
    for ((is_positive, size), count) in buckets {
        if left <= *count {
            return Value::Number(match (is_positive, size) {
                (true, &i32::MIN) => 0.0,
                (true, size) => GROWTH.powi(*size),
                (false, size) => -GROWTH.powi(-size),
            });
        }
        left -= count;
    }
    Value::Null
}
