//! Which rules and archives of a bus an event meets: what is stored, ready to be asked, for as long as nobody changes it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use lambent_patterns::{Dialect, Event as Seen, Index, Pattern};
use lambent_wire::Error;

use super::Inner;
use super::names::BusName;
use super::records::{Archive, Rule};

/// Buses that are kept ready; a bus with a thousand rules takes some megabytes. Beyond, all are forgotten and read again.
const MOST: usize = 256;

/// A bus, ready to be asked.
pub(super) struct Routes {
    index: Index<Meets>,
    rules: Vec<(String, Rule)>,
    archives: Vec<Archive>,
    /// Who else may put events on it.
    pub(super) policy: Option<String>,
}

/// By its place in the list.
#[derive(Debug, Clone, Copy)]
enum Meets {
    Rule(usize),
    Archive(usize),
}

impl Routes {
    fn new(policy: Option<String>, rules: Vec<(String, Rule)>, archives: Vec<Archive>) -> Self {
        let parsed = |text: &str| match Pattern::parse(text, Dialect::Rule) {
            Ok(pattern) => Some(pattern),
            // It was read when it was stored.
            Err(error) => {
                tracing::error!(%error, pattern = text, "a stored pattern is none that this version knows; it meets nothing");
                None
            }
        };
        let of_rules =
            rules.iter().enumerate().filter(|(_, (_, rule))| rule.is_enabled() && !rule.targets.is_empty());
        let of_rules =
            of_rules.filter_map(|(at, (_, rule))| Some((Meets::Rule(at), parsed(rule.pattern.as_deref()?)?)));
        let of_archives = archives.iter().enumerate();
        let of_archives = of_archives
            .filter_map(|(at, archive)| Some((Meets::Archive(at), parsed(archive.pattern.as_deref()?)?)));
        let index = Index::new(of_rules.chain(of_archives));
        Self { index, rules, archives, policy }
    }

    /// The rules that an event meets, and the archives that keep it. What is replayed is not kept again (User Guide,
    /// "Archiving and replaying events").
    pub(super) fn of(&self, event: &Seen, replayed: bool) -> (Vec<&(String, Rule)>, Vec<&Archive>) {
        let (mut rules, mut archives) = (Vec::new(), Vec::new());
        for meets in self.index.matches(event) {
            match *meets {
                Meets::Rule(at) => rules.push(&self.rules[at]),
                Meets::Archive(at) => archives.push(&self.archives[at]),
            }
        }
        archives.extend(self.archives.iter().filter(|archive| archive.pattern.is_none()));
        if replayed {
            archives.clear();
        }
        (rules, archives)
    }
}

/// Buses that have been read.
#[derive(Default)]
pub(super) struct Cache {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Counts changes: what was read before one is not kept after it.
    changes: u64,
    ready: HashMap<BusName, Arc<Routes>>,
}

impl Cache {
    /// A bus, its rules or its archives have changed, on the disk.
    pub(super) fn forget(&self, bus: &BusName) {
        let mut state = self.state.lock().expect("nobody panics while they hold it");
        state.changes += 1;
        state.ready.remove(bus);
    }

    fn get(&self, bus: &BusName) -> (Option<Arc<Routes>>, u64) {
        let state = self.state.lock().expect("nobody panics while they hold it");
        (state.ready.get(bus).cloned(), state.changes)
    }

    fn keep(&self, bus: &BusName, routes: &Arc<Routes>, read_at: u64) {
        let mut state = self.state.lock().expect("nobody panics while they hold it");
        if state.changes == read_at {
            if state.ready.len() >= MOST {
                state.ready.clear();
            }
            state.ready.insert(bus.clone(), Arc::clone(routes));
        }
    }
}

impl Inner {
    /// What is asked of a bus's events; `None` where there is no such bus.
    pub(super) async fn routes(&self, bus: &BusName) -> Result<Option<Arc<Routes>>, Error> {
        let (ready, read_at) = self.cache.get(bus);
        if ready.is_some() {
            return Ok(ready);
        }
        let Some(found) = self.bus(bus).await? else { return Ok(None) };
        let (arn, scope) = (bus.arn(), bus.scope());
        let rules = self.rules(bus).await?;
        let archives = self.archives(&scope).await?.into_iter().filter(|(_, archive)| archive.source == arn);
        let archives = archives.map(|(_, archive)| archive).collect();
        let routes = Arc::new(Routes::new(found.policy, rules, archives));
        self.cache.keep(bus, &routes, read_at);
        Ok(Some(routes))
    }
}
