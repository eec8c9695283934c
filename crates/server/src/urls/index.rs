//! Which function a URL's id is of, and who may call it: kept in memory, told by the change feed.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use lambent_lambda::{Alias, Function, FunctionUrl, Policy};
use lambent_model::{FunctionArn, Qualifier, Target};

/// A function URL and what it invokes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Served {
    pub(super) target: Target,
    pub(super) url: FunctionUrl,
    /// That of the function itself. A URL of an alias is for its own alone.
    policy: Arc<Policy>,
}

/// All function URLs of the server.
#[derive(Debug, Default)]
pub(crate) struct Index(RwLock<Urls>);

#[derive(Debug, Default)]
struct Urls {
    by_id: HashMap<String, Arc<Served>>,
    ids: HashMap<FunctionArn, Vec<String>>,
    /// The policies of aliases that have one, read once and not with every call.
    aliases: HashMap<FunctionArn, HashMap<String, Arc<Policy>>>,
}

impl Index {
    /// Takes note of a function's record, or of its end.
    pub(crate) fn note(&self, arn: &FunctionArn, function: Option<&Function>) {
        let urls = function.map(|function| &function.urls).filter(|urls| !urls.is_empty());
        let is_known = self.0.read().unwrap_or_else(PoisonError::into_inner).ids.contains_key(arn);
        if urls.is_none() && !is_known {
            return;
        }
        let known = &mut *self.0.write().unwrap_or_else(PoisonError::into_inner);
        for id in known.ids.remove(arn).unwrap_or_default() {
            known.by_id.remove(&id);
        }
        let policy = Arc::new(function.map(|function| function.policy.clone()).unwrap_or_default());
        for (slot, url) in urls.into_iter().flatten() {
            let qualifier = Some(Qualifier::parse(slot)).filter(|qualifier| *qualifier != Qualifier::Latest);
            let target = Target { function: arn.clone(), qualifier };
            known.by_id.insert(
                url.id.clone(),
                Arc::new(Served { target, url: url.clone(), policy: Arc::clone(&policy) }),
            );
            known.ids.entry(arn.clone()).or_default().push(url.id.clone());
        }
    }

    /// Takes note of an alias, or of its end.
    pub(crate) fn note_alias(&self, arn: &FunctionArn, name: &str, alias: Option<&Alias>) {
        let policy = alias.map(|alias| &alias.policy).filter(|policy| !policy.is_empty());
        let is_known =
            |known: &Urls| known.aliases.get(arn).is_some_and(|aliases| aliases.contains_key(name));
        if policy.is_none() && !is_known(&self.0.read().unwrap_or_else(PoisonError::into_inner)) {
            return;
        }
        let known = &mut *self.0.write().unwrap_or_else(PoisonError::into_inner);
        let aliases = known.aliases.entry(arn.clone()).or_default();
        match policy {
            Some(policy) => drop(aliases.insert(name.to_owned(), Arc::new(policy.clone()))),
            None => drop(aliases.remove(name)),
        }
        if aliases.is_empty() {
            known.aliases.remove(arn);
        }
    }

    /// The policy that decides about a URL's calls.
    pub(super) fn policy(&self, served: &Served) -> Arc<Policy> {
        let Some(Qualifier::Alias(name)) = &served.target.qualifier else {
            return Arc::clone(&served.policy);
        };
        let urls = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let of_alias = urls.aliases.get(&served.target.function).and_then(|aliases| aliases.get(name));
        of_alias.cloned().unwrap_or_default()
    }

    pub(super) fn find(&self, id: &str, region: &str) -> Option<Arc<Served>> {
        let urls = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let served = urls.by_id.get(id)?;
        (served.target.function.scope.region.as_str() == region).then(|| Arc::clone(served))
    }
}
