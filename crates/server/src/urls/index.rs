//! Which function a URL's id is of: kept in memory, told by the change feed.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use lambent_lambda::{Function, FunctionUrl};
use lambent_model::{FunctionArn, Qualifier, Target};

/// A function URL and what it invokes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Served {
    pub(super) target: Target,
    pub(super) url: FunctionUrl,
}

/// All function URLs of the server.
#[derive(Debug, Default)]
pub(crate) struct Index(RwLock<Urls>);

#[derive(Debug, Default)]
struct Urls {
    by_id: HashMap<String, Arc<Served>>,
    ids: HashMap<FunctionArn, Vec<String>>,
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
        for (slot, url) in urls.into_iter().flatten() {
            let qualifier = Some(Qualifier::parse(slot)).filter(|qualifier| *qualifier != Qualifier::Latest);
            let target = Target { function: arn.clone(), qualifier };
            known.by_id.insert(url.id.clone(), Arc::new(Served { target, url: url.clone() }));
            known.ids.entry(arn.clone()).or_default().push(url.id.clone());
        }
    }

    pub(super) fn find(&self, id: &str, region: &str) -> Option<Arc<Served>> {
        let urls = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let served = urls.by_id.get(id)?;
        (served.target.function.scope.region.as_str() == region).then(|| Arc::clone(served))
    }
}
