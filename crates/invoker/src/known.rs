//! What the invoker knows of one function: its `$LATEST`, its versions, its aliases.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use lambent_environment::Function;
use lambent_lambda::{self as lambda, Alias, Pointed};
use lambent_model::{Count, EventPolicy, InvokeError, MemorySize, Provisioning, Qualifier, Series, Target};

use crate::pool::Pool;
use crate::room::Estimate;
use crate::share::Share;
use crate::standing::{Configured, Standing};

/// One version, or `$LATEST`.
pub(crate) struct Entry {
    /// Its settings are without their description, in which versions of a function differ most: so they can be held once.
    pub(crate) record: lambda::Function,
    description: Box<str>,
    /// `$LATEST` or a number.
    pub(crate) version: String,
    /// What its environments run; composed when it is first wanted, if it was there when the server started. Most of many
    /// versions never are.
    function: OnceLock<Arc<Function>>,
    /// Made when it is first wanted, likewise.
    living: OnceLock<Living>,
    lifetime: Duration,
    /// What is kept initialised for those invocations that find no other environment.
    pub(crate) stock: Option<Arc<Standing>>,
    pub(crate) share: Arc<Share>,
}

/// The environments of one version.
#[derive(Clone)]
struct Living {
    pool: Arc<Pool>,
    estimate: Arc<Estimate>,
}

impl Entry {
    fn living(&self) -> &Living {
        self.living.get_or_init(|| Living {
            pool: Arc::new(Pool::new(self.lifetime)),
            estimate: Arc::new(Estimate::new(MemorySize(self.record.settings.memory_mb))),
        })
    }

    /// Its environments.
    pub(crate) fn pool(&self) -> &Arc<Pool> {
        &self.living().pool
    }

    /// Its environments, if it has had any.
    pub(crate) fn pool_if_any(&self) -> Option<&Arc<Pool>> {
        self.living.get().map(|living| &living.pool)
    }

    /// How much memory one of its environments takes.
    pub(crate) fn estimate(&self) -> &Arc<Estimate> {
        &self.living().estimate
    }

    /// What is counted of an invocation of this version by that name.
    pub(crate) fn series(&self, target: &Target) -> Arc<dyn Series> {
        self.share.metrics.resource(target.qualifier.as_ref(), &self.version)
    }

    /// Whether the function, with tenant isolation or without, is invoked as it is to be.
    pub(crate) fn check_tenant(&self, tenant: Option<&str>) -> Result<(), InvokeError> {
        let isolated = self.record.settings.per_tenant;
        if isolated == tenant.is_some() { Ok(()) } else { Err(InvokeError::Tenant { isolated }) }
    }

    /// What its environments run.
    pub(crate) fn function(&self, compose: impl FnOnce(&lambda::Function) -> Function) -> &Arc<Function> {
        self.function.get_or_init(|| Arc::new(compose(&self.record)))
    }
}

/// How many versions a new one is compared with.
const LOOKED_AT: usize = 4;

/// A function. It is known as long as any record of it is.
pub(crate) struct Known {
    latest: Option<Arc<Entry>>,
    versions: HashMap<u64, Arc<Entry>>,
    aliases: HashMap<String, Alias>,
    /// Provisioned concurrency, by version or alias.
    configured: HashMap<Qualifier, Configured>,
    share: Arc<Share>,
    lifetime: Duration,
}

/// What runs an invocation.
pub(crate) struct Resolved<'a> {
    pub(crate) entry: &'a Arc<Entry>,
    /// The environments that are kept initialised for what was invoked, if there are any.
    pub(crate) standing: Option<&'a Arc<Standing>>,
}

impl Known {
    pub(crate) fn new(share: Arc<Share>, lifetime: Duration) -> Self {
        let (versions, aliases, configured) = (HashMap::new(), HashMap::new(), HashMap::new());
        Self { latest: None, versions, aliases, configured, share, lifetime }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.latest.is_none() && self.versions.is_empty() && self.aliases.is_empty()
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.latest.iter().chain(self.versions.values())
    }

    pub(crate) fn versions(&self) -> impl Iterator<Item = u64> {
        self.versions.keys().copied()
    }

    pub(crate) fn aliases(&self) -> impl Iterator<Item = &String> {
        self.aliases.keys()
    }

    /// Whether a new record makes environments of another kind, so that what they run has to be composed.
    pub(crate) fn needs_composing(&self, number: Option<u64>, record: &lambda::Function) -> bool {
        let known = match number {
            None => self.latest.as_ref(),
            Some(number) => self.versions.get(&number),
        };
        known.is_none_or(|entry| !keeps_environments(entry, record, &record.settings.description))
    }

    /// Takes note of a new record of `$LATEST` (`number` is `None`) or of a version, or of its end. `composed` is what
    /// its environments run, where [`Known::needs_composing`] said so; without it, that is left for later.
    pub(crate) fn apply(
        &mut self,
        number: Option<u64>,
        mut record: Option<lambda::Function>,
        composed: Option<Function>,
        compose: impl FnOnce(&lambda::Function) -> Function,
    ) {
        let description = record.as_mut().map(take_description).unwrap_or_default();
        let previous = match number {
            None => self.latest.take(),
            Some(number) => self.versions.remove(&number),
        };
        if number.is_none() {
            let reserved = record.as_ref().and_then(|record| record.reserved_concurrency);
            let provisioned = record.as_ref().map_or(0, lambda::Function::provisioned_total);
            self.share.reserve(reserved, provisioned);
        }
        let stays = |entry: &Arc<Entry>| {
            record.as_ref().is_some_and(|record| keeps_environments(entry, record, &description))
        };
        if let (Some(number), false) = (number, previous.as_ref().is_some_and(stays)) {
            self.configured.values_mut().for_each(|configured| configured.drop_version(number));
        }
        if let Some(mut record) = record {
            // Most of many versions have the settings of another, and most are never invoked. A few are looked at, for
            // some functions have thousands.
            let _found = self.entries().take(LOOKED_AT).any(|entry| record.share_settings(&entry.record));
            let entry = Arc::new(self.entry(previous, (record, description), composed, compose));
            match number {
                None => self.latest = Some(entry),
                Some(number) => drop(self.versions.insert(number, entry)),
            }
        } else if let Some(entry) = previous {
            entry.pool().retire();
        }
        self.provision();
    }

    /// Keeps what is configured: by `$LATEST`'s record, for the versions that there are.
    fn provision(&mut self) {
        let (aliases, versions) = (&self.aliases, &self.versions);
        let there = |parts: Vec<(u64, u32)>| -> Vec<(u64, u32)> {
            parts.into_iter().filter(|(version, _)| versions.contains_key(version)).collect()
        };
        let wanted: HashMap<Qualifier, u32> = match &self.latest {
            Some(latest) => {
                let configs = latest.record.provisioned.iter();
                configs.map(|(name, config)| (Qualifier::parse(name), config.wanted)).collect()
            }
            None => HashMap::new(),
        };
        self.configured.retain(|qualifier, configured| {
            let stays = wanted.contains_key(qualifier);
            if !stays {
                configured.end();
            }
            stays
        });
        for (qualifier, wanted) in wanted {
            let (alias, version) = match &qualifier {
                Qualifier::Alias(name) => (aliases.get(name), None),
                Qualifier::Version(number) => (None, Some(*number)),
                Qualifier::Latest => (None, None),
            };
            let configured = self.configured.entry(qualifier).or_default();
            let split = |alias: &Alias| there(lambda::split(wanted, alias));
            let targets = match version {
                Some(number) => there(vec![(number, wanted)]),
                None => alias.map(split).unwrap_or_default(),
            };
            let before = configured.previous().map(split).unwrap_or_default();
            configured.keep(wanted, targets, before, self.lifetime + self.lifetime / 8);
        }
    }

    /// What is kept initialised, with what it runs: provisioned concurrency, and the stocks of versions.
    pub(crate) fn standing(&self) -> impl Iterator<Item = (&Arc<Entry>, &Arc<Standing>)> {
        let provisioned = self.configured.values().flat_map(Configured::parts);
        let provisioned =
            provisioned.filter_map(|(version, standing)| Some((self.versions.get(&version)?, standing)));
        let stocks = self.versions.values().filter_map(|entry| Some((entry, entry.stock.as_ref()?)));
        provisioned.chain(stocks)
    }

    /// Whether an alias can be used as it is, since what is provisioned where it was moved to is ready.
    pub(crate) fn has_arrivals(&self) -> bool {
        self.configured.values().any(Configured::has_arrived)
    }

    /// Uses those aliases as they are.
    pub(crate) fn arrive(&mut self) {
        let arrived = self.configured.values_mut().filter(|configured| configured.has_arrived());
        arrived.for_each(Configured::arrive);
        self.provision();
    }

    /// What is kept initialised for exactly this qualifier.
    pub(crate) fn provisioning(&self, qualifier: &Qualifier, now: Instant) -> Option<Provisioning> {
        self.configured.get(qualifier).map(|configured| configured.told(now))
    }

    /// What is kept initialised, by the version or alias for which it is configured.
    pub(crate) fn provisioned(&self, now: Instant) -> impl Iterator<Item = (&Qualifier, Provisioning)> {
        self.configured.iter().map(move |(qualifier, configured)| (qualifier, configured.told(now)))
    }

    /// Every pool that there is.
    pub(crate) fn pools(&self) -> impl Iterator<Item = &Arc<Pool>> {
        let provisioned = self.configured.values().flat_map(Configured::parts);
        self.entries()
            .filter_map(|entry| entry.pool_if_any())
            .chain(provisioned.map(|(_, standing)| &standing.pool))
    }

    /// Ends all environments after what they are doing, and forgets what they run.
    pub(crate) fn renew(&mut self) {
        self.pools().for_each(|pool| pool.renew());
        let renewed = |entry: &mut Arc<Entry>| {
            *entry = Arc::new(Entry {
                record: entry.record.clone(),
                description: entry.description.clone(),
                version: entry.version.clone(),
                function: OnceLock::new(),
                // Made now if need be: who has found the entry that is replaced may be about to use it.
                living: OnceLock::from(entry.living().clone()),
                lifetime: entry.lifetime,
                stock: entry.stock.clone(),
                share: Arc::clone(&entry.share),
            });
        };
        self.latest.iter_mut().chain(self.versions.values_mut()).for_each(renewed);
    }

    fn entry(
        &self,
        previous: Option<Arc<Entry>>,
        (record, description): (lambda::Function, Box<str>),
        composed: Option<Function>,
        compose: impl FnOnce(&lambda::Function) -> Function,
    ) -> Entry {
        let kept = |entry: &Entry, record| Entry {
            record,
            description: entry.description.clone(),
            version: entry.version.clone(),
            function: entry.function.clone(),
            // Made now if need be: who has found the entry that is replaced may be about to use it.
            living: OnceLock::from(entry.living().clone()),
            lifetime: entry.lifetime,
            stock: entry.stock.clone(),
            share: Arc::clone(&entry.share),
        };
        match previous {
            // While an update is in progress the old code and settings stay in use (Developer Guide, "Lambda function
            // states"); the policy has nothing to do with it.
            Some(entry) if in_progress(&record) => {
                let policy = record.policy;
                // While its package is there: no record names it any more.
                entry.function(compose);
                kept(&entry, lambda::Function { policy, ..entry.record.clone() })
            }
            Some(entry) if keeps_environments(&entry, &record, &description) => kept(&entry, record),
            previous => {
                if let Some(entry) = previous {
                    entry.pool().retire();
                }
                let is_new = composed.is_some().then(Instant::now);
                let mut entry = Entry {
                    version: record.version_text(),
                    function: composed.map_or_else(OnceLock::new, |composed| Arc::new(composed).into()),
                    living: OnceLock::new(),
                    lifetime: self.lifetime,
                    stock: None,
                    share: Arc::clone(&self.share),
                    record,
                    description,
                };
                entry.stock = stock_of(&entry, is_new);
                entry
            }
        }
    }

    pub(crate) fn apply_alias(&mut self, name: &str, alias: Option<Alias>) {
        if let Some(configured) = self.configured.get_mut(&Qualifier::Alias(name.to_owned())) {
            configured.moving(self.aliases.get(name), alias.as_ref());
        }
        match alias {
            Some(alias) => drop(self.aliases.insert(name.to_owned(), alias)),
            None => drop(self.aliases.remove(name)),
        }
        self.provision();
    }

    /// What runs for a qualifier; an alias of two versions chooses by `random`.
    pub(crate) fn resolve(
        &self,
        qualifier: Option<&Qualifier>,
        random: impl FnOnce() -> f64,
    ) -> Option<Resolved<'_>> {
        let configured = qualifier.and_then(|qualifier| self.configured.get(qualifier));
        let version = match qualifier {
            None | Some(Qualifier::Latest) => Pointed::Latest,
            Some(Qualifier::Version(number)) => Pointed::Version(*number),
            Some(Qualifier::Alias(name)) => {
                let previous = configured.and_then(Configured::previous);
                previous.or_else(|| self.aliases.get(name))?.pick(random)
            }
        };
        match version {
            Pointed::Latest => self.latest.as_ref().map(|entry| Resolved { entry, standing: None }),
            Pointed::Version(number) => Some(Resolved {
                entry: self.versions.get(&number)?,
                standing: configured.and_then(|configured| configured.part(number)),
            }),
        }
    }

    /// The policy that hangs on exactly this qualifier.
    pub(crate) fn policy(&self, qualifier: Option<&Qualifier>) -> Option<&lambda::Policy> {
        let entry = match qualifier {
            None => self.latest.as_ref(),
            // No policy can be added under this name.
            Some(Qualifier::Latest) => None,
            Some(Qualifier::Version(number)) => self.versions.get(number),
            Some(Qualifier::Alias(name)) => return self.aliases.get(name).map(|alias| &alias.policy),
        };
        entry.map(|entry| &entry.record.policy)
    }
}

impl Known {
    /// Whether the function may be invoked by what it does itself.
    pub(crate) fn may_recurse(&self) -> bool {
        self.latest.as_ref().is_some_and(|latest| latest.record.may_recurse)
    }

    /// Counts an invocation that was part of a loop.
    pub(crate) fn stopped_a_loop(&self) {
        self.share.metrics.resource(None, "$LATEST").count(Count::RecursiveInvocationsDropped, 1);
    }

    /// The record of what a qualifier stands for. Both versions of an alias have the same role and dead-letter target
    /// (Developer Guide, "Create an alias for a Lambda function": weighted aliases).
    fn settings(&self, qualifier: Option<&Qualifier>) -> Option<&lambda::Function> {
        let number = match qualifier {
            None | Some(Qualifier::Latest) => return None,
            Some(Qualifier::Version(number)) => *number,
            Some(Qualifier::Alias(name)) => match self.aliases.get(name)?.version {
                Pointed::Latest => return None,
                Pointed::Version(number) => number,
            },
        };
        self.versions.get(&number).map(|entry| &entry.record)
    }

    /// How events for this qualifier are treated. The configurations are in `$LATEST`'s record, a function has none where
    /// nobody set one (Developer Guide, "How Lambda handles errors and retries with asynchronous invocation").
    pub(crate) fn event_policy(&self, qualifier: Option<&Qualifier>) -> Option<EventPolicy> {
        const RETRIES: u8 = 2;
        const MAX_AGE: Duration = Duration::from_secs(6 * 3600);
        let latest = &self.latest.as_ref()?.record;
        let config = latest.event_invoke.get(&qualifier.unwrap_or(&Qualifier::Latest).to_string());
        let age = config.and_then(|config| config.event_age_s);
        let settings = &self.settings(qualifier).unwrap_or(latest).settings;
        Some(EventPolicy {
            retries: config.and_then(|config| config.retries).unwrap_or(RETRIES),
            max_age: age.map_or(MAX_AGE, |seconds| Duration::from_secs(seconds.into())),
            switched_off: latest.reserved_concurrency == Some(0),
            on_success: config.and_then(|config| config.on_success.clone()),
            on_failure: config.and_then(|config| config.on_failure.clone()),
            dead_letters: settings.surroundings.dead_letters.clone(),
            role: settings.role.clone(),
        })
    }
}

/// What of a version is kept in stock: with SnapStart and without a snapshot, one environment, as long as somebody
/// seems to want it. What was there when the server started is not wanted until it is invoked.
fn stock_of(entry: &Entry, wanted: Option<Instant>) -> Option<Arc<Standing>> {
    let record = &entry.record;
    let has_it = record.version.is_some() && record.settings.snap_start && !record.optimized;
    has_it.then(|| Arc::new(Standing::stock(Arc::clone(entry.pool()), wanted)))
}

fn in_progress(record: &lambda::Function) -> bool {
    record.last_update == Some(lambda::LastUpdate::InProgress)
}

/// Nothing but the owner of a record that was just read holds its settings, so that they are changed in place.
fn take_description(record: &mut lambda::Function) -> Box<str> {
    std::mem::take(&mut Arc::make_mut(&mut record.settings).description).into_boxed_str()
}

fn keeps_environments(entry: &Entry, record: &lambda::Function, description: &str) -> bool {
    in_progress(record) || same_environment(entry, record, description)
}

/// `record` may have its description still.
fn same_environment(entry: &Entry, record: &lambda::Function, description: &str) -> bool {
    let known = &entry.record;
    known.code == record.code
        && known.architecture == record.architecture
        && known.state == record.state
        && *entry.description == *description
        && same_settings(&known.settings, &record.settings)
}

fn same_settings(known: &lambda::Settings, settings: &lambda::Settings) -> bool {
    match settings.description.is_empty() {
        true => known == settings,
        false => *known == lambda::Settings { description: String::new(), ..settings.clone() },
    }
}

#[cfg(test)]
mod tests {
    use lambent_lambda::{Architecture, Code, Settings, Stamp};
    use lambent_model::{FunctionArn, Scope, Sha256, Timestamp};

    use super::*;

    fn record(description: &str, memory_mb: u32) -> lambda::Function {
        let scope = Scope { account: "000000000000".parse().unwrap(), region: "us-east-1".parse().unwrap() };
        let arn = FunctionArn { scope, name: "f".into() };
        let settings = Settings::new("role".into(), "python3.12".into(), "m.h".into());
        let settings = Settings { description: description.into(), memory_mb, ..settings };
        let code = Code { sha256: Sha256([0; 32]), size: 1, folder: None };
        let revision = "5f9a7c1e-0000-4000-8000-000000000000".parse().unwrap();
        let stamp = Stamp { at: Timestamp::from_millis(0), revision };
        lambda::Function::create(&arn, settings, Architecture::X86_64, code, Default::default(), stamp)
    }

    #[test]
    fn versions_that_differ_in_their_description_hold_one_copy_of_the_rest() {
        let (mut one, mut other) = (record("one", 128), record("other", 128));
        assert!(!same_settings(&one.settings, &other.settings));
        assert_eq!((&*take_description(&mut one), &*take_description(&mut other)), ("one", "other"));
        assert!(other.share_settings(&one) && Arc::ptr_eq(&one.settings, &other.settings));
        assert!(same_settings(&one.settings, &record("any", 128).settings), "what came with its description");
        assert!(!same_settings(&one.settings, &record("one", 256).settings));
    }
}
