//! Which functions run from folders, and whether these have changed.
//!
//! A look that began after an invocation had come sees everything that was done before it came. So of many that wait one
//! looks, and the others go by what it has seen.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

use lambent_lambda::Function;
use lambent_model::FunctionArn;

use super::Folders;
use super::fingerprint::Tree;

/// How often, and after how long, a tree is looked at again whose last change is so young that the next would look the
/// same. One that changes all the time is not waited for.
const LOOKS: usize = 4;
const PAUSE: Duration = Duration::from_millis(8);

/// All functions that run from folders.
pub(crate) struct Watch {
    folders: Folders,
    functions: RwLock<HashMap<FunctionArn, Arc<Watched>>>,
}

/// One function with its versions.
pub(crate) struct Watched {
    folders: Folders,
    by_version: Mutex<HashMap<Option<u64>, Vec<PathBuf>>>,
    seen: tokio::sync::Mutex<Seen>,
}

/// What was seen last.
#[derive(Default)]
struct Seen {
    /// When the last look began.
    began: Option<Instant>,
    /// `None` where nobody can say whether it is still so.
    state: Option<u64>,
}

/// The folder that is shown at `/opt`. A folder is the only layer of its function.
pub(crate) fn folder_of_layers(record: &Function) -> Option<&str> {
    record.settings.layers.first()?.code.folder.as_deref()
}

fn folders_of(record: &Function) -> Vec<PathBuf> {
    let both = [record.code.folder.as_deref(), folder_of_layers(record)];
    both.into_iter().flatten().map(PathBuf::from).collect()
}

impl Watch {
    pub(crate) fn new(folders: Folders) -> Self {
        Self { folders, functions: RwLock::default() }
    }

    /// Takes note of the record of `$LATEST` (`number` is `None`) or of a version, or of its end.
    pub(crate) fn note(&self, arn: &FunctionArn, number: Option<u64>, record: Option<&Function>) {
        let folders = record.map(folders_of).unwrap_or_default();
        let is_known = self.functions.read().unwrap_or_else(PoisonError::into_inner).contains_key(arn);
        if folders.is_empty() && !is_known {
            return;
        }
        let mut functions = self.functions.write().unwrap_or_else(PoisonError::into_inner);
        let watched = functions.entry(arn.clone()).or_insert_with(|| {
            let (by_version, seen) = (Mutex::default(), tokio::sync::Mutex::default());
            Arc::new(Watched { folders: self.folders.clone(), by_version, seen })
        });
        let mut by_version = watched.by_version.lock().unwrap_or_else(PoisonError::into_inner);
        match folders.is_empty() {
            true => drop(by_version.remove(&number)),
            false => drop(by_version.insert(number, folders)),
        }
        let is_over = by_version.is_empty();
        drop(by_version);
        if is_over {
            functions.remove(arn);
        }
    }

    /// The function, if it runs from a folder: to be checked before it is invoked.
    pub(crate) fn watched(&self, arn: &FunctionArn) -> Option<Arc<Watched>> {
        self.functions.read().unwrap_or_else(PoisonError::into_inner).get(arn).cloned()
    }
}

impl Watched {
    /// Looks, for an invocation that came at `came`. `changed` is called when an environment that there is may have begun
    /// with other files.
    pub(crate) async fn check(&self, came: Instant, changed: impl FnOnce()) {
        let mut seen = self.seen.lock().await;
        if seen.began.is_some_and(|began| began >= came) {
            return;
        }
        let began = Instant::now();
        let state = self.look().await;
        if state.is_none() || state != seen.state {
            changed();
        }
        *seen = Seen { began: Some(began), state };
    }

    /// `None` where it changes faster than it can be looked at, or cannot be looked at.
    async fn look(&self) -> Option<u64> {
        let mut folders: Vec<PathBuf> = {
            let by_version = self.by_version.lock().unwrap_or_else(PoisonError::into_inner);
            by_version.values().flatten().cloned().collect()
        };
        folders.sort_unstable();
        folders.dedup();
        for _ in 0..LOOKS {
            let (all, paths) = (self.folders.clone(), folders.clone());
            let now = SystemTime::now();
            // Only the end of the runtime cancels it.
            let trees = tokio::task::spawn_blocking(move || look_at(&all, &paths)).await.ok()??;
            if trees.iter().all(|tree| tree.is_settled(now)) {
                return Some(trees.iter().fold(0, |sum, tree| sum.wrapping_add(tree.fingerprint)));
            }
            tokio::time::sleep(PAUSE).await;
        }
        None
    }
}

fn look_at(folders: &Folders, paths: &[PathBuf]) -> Option<Vec<Tree>> {
    let one = |path: &Path| {
        let folder = folders.enter(path).map_err(|why| why.to_string())?;
        Tree::look(&folder).map_err(|why| why.to_string())
    };
    let look = |path: &PathBuf| {
        one(path)
            .inspect_err(|why| {
                let path = path.display();
                tracing::warn!(%path, why, "a folder that code is run from cannot be looked at, so that each invocation has an environment of its own");
            })
            .ok()
    };
    paths.iter().map(look).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_change_is_seen_once_by_whoever_comes_after_it() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::fs::write(root.join("f.py"), "one").unwrap();
        let folders = Folders::open(std::slice::from_ref(&root), Path::new("/nowhere")).unwrap();
        let watched = Watched {
            folders,
            by_version: Mutex::new([(None, vec![root.clone()])].into()),
            seen: tokio::sync::Mutex::default(),
        };
        let changes = AtomicUsize::new(0);
        let changes = &changes;
        let check = |came: Instant| {
            watched.check(came, || {
                changes.fetch_add(1, Ordering::Relaxed);
            })
        };
        // Nobody knows what environments of before the first look have begun with.
        check(Instant::now()).await;
        assert_eq!(changes.load(Ordering::Relaxed), 1);
        check(Instant::now()).await;
        assert_eq!(changes.load(Ordering::Relaxed), 1);
        for round in 2..6 {
            // Of the same length, at once after the last look.
            std::fs::write(root.join("f.py"), format!("ab{round}")).unwrap();
            let came = Instant::now();
            tokio::join!(check(came), check(came), check(came));
            assert_eq!(changes.load(Ordering::Relaxed), round);
        }
        std::fs::remove_dir_all(&root).unwrap();
        for round in 6..8 {
            check(Instant::now()).await;
            assert_eq!(changes.load(Ordering::Relaxed), round, "what is gone is never the same");
        }
    }
}
