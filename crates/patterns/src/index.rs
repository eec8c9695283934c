//! Many patterns at once.

use std::collections::HashMap;

use crate::event::{Event, Scalar};
use crate::operator::Operator;
use crate::pattern::{Fields, Member, Pattern};

type Path = Vec<String>;

/// Patterns by a value that each cannot do without, so that an event is held against few of them.
///
/// Most rules name a source or a kind of detail; the rarest such value of each pattern is what it is found by. Patterns
/// that name none are held against every event.
#[derive(Debug)]
pub struct Index<K> {
    patterns: Vec<(K, Pattern)>,
    by_value: HashMap<Path, HashMap<Scalar, Vec<usize>>>,
    always: Vec<usize>,
}

impl<K> Index<K> {
    /// Indexes patterns under their keys.
    pub fn new(patterns: impl IntoIterator<Item = (K, Pattern)>) -> Self {
        let patterns: Vec<_> = patterns.into_iter().collect();
        let asked: Vec<Vec<(&Path, Vec<&Scalar>)>> =
            patterns.iter().map(|(_, pattern)| needed(&pattern.0)).collect();
        let mut sharers: HashMap<(&Path, &Scalar), usize> = HashMap::new();
        for (path, values) in asked.iter().flatten() {
            for value in values {
                *sharers.entry((path, value)).or_default() += 1;
            }
        }
        let mut by_value: HashMap<Path, HashMap<Scalar, Vec<usize>>> = HashMap::new();
        let mut always = Vec::new();
        for (at, leaves) in asked.iter().enumerate() {
            let crowd = |path: &Path, values: &[&Scalar]| -> usize {
                values.iter().map(|value| sharers.get(&(path, *value)).copied().unwrap_or_default()).sum()
            };
            match leaves.iter().min_by_key(|(path, values)| crowd(path, values)) {
                None => always.push(at),
                Some((path, values)) => {
                    let under = by_value.entry((*path).clone()).or_default();
                    for value in values {
                        under.entry((*value).clone()).or_default().push(at);
                    }
                }
            }
        }
        Self { patterns, by_value, always }
    }

    /// The keys of the patterns that an event meets, in the order in which they were given.
    pub fn matches(&self, event: &Event) -> Vec<&K> {
        let mut candidates = self.always.clone();
        for (path, values) in &self.by_value {
            event.0.scalars_at(path, &mut |scalar| {
                candidates.extend(values.get(scalar).into_iter().flatten());
                false
            });
        }
        candidates.sort_unstable();
        candidates.dedup();
        let candidates = candidates.into_iter().map(|at| &self.patterns[at]);
        candidates.filter(|(_, pattern)| pattern.matches(event)).map(|(key, _)| key).collect()
    }
}

/// The paths at which an event has to have one of a few values, outside of any `$or`.
fn needed(fields: &Fields) -> Vec<(&Path, Vec<&Scalar>)> {
    let mut found = Vec::new();
    for (_, member) in &fields.members {
        match member {
            Member::Object(fields) => found.extend(needed(fields)),
            Member::Leaf(leaf) => {
                if let Some(values) = leaf.any_of.iter().map(literal).collect() {
                    found.push((&leaf.path, values));
                }
            }
        }
    }
    found
}

fn literal(operator: &Operator) -> Option<&Scalar> {
    match operator {
        Operator::Equals(value) => Some(value),
        _ => None,
    }
}
