//! Removing packages that nothing refers to any more.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use lambent_model::Sha256;

use super::stage::Stage;
use super::store::{Shared, blocking};
use super::{CodeError, CodeStore};

/// A garbage collection under way.
///
/// Begin it, then read which packages the records refer to, then [`Collection::finish`] it. A package that anybody
/// has held since the beginning stays: its reference may have been committed after the records were read.
pub struct Collection {
    shared: Arc<Shared>,
    _only_one: tokio::sync::OwnedMutexGuard<()>,
}

impl Drop for Collection {
    fn drop(&mut self) {
        self.shared.state().touched = None;
    }
}

impl CodeStore {
    /// Begins a collection, after the one that may be under way.
    pub async fn begin_collection(&self) -> Collection {
        let only_one = self.shared.collecting.clone().lock_owned().await;
        self.shared.state().begin_collection();
        Collection { shared: self.shared.clone(), _only_one: only_one }
    }
}

impl Collection {
    /// Removes every package that is not in `referenced` and has not been held since the beginning. Returns what
    /// was removed.
    ///
    /// # Errors
    /// [`CodeError::Io`]; what could not be removed by then is found again by the next collection or start.
    pub async fn finish(self, referenced: HashSet<Sha256>) -> Result<Vec<Sha256>, CodeError> {
        blocking(move || {
            let packages = self.shared.packages.clone();
            let mut removed = Vec::new();
            for entry in std::fs::read_dir(&packages).map_err(CodeError::io("list", &packages))? {
                let name = entry.map_err(CodeError::io("list", &packages))?.file_name();
                // Whatever else somebody has put there is not ours to remove.
                let Some(digest) = name.to_str().and_then(|name| name.parse::<Sha256>().ok()) else {
                    continue;
                };
                if !referenced.contains(&digest)
                    && let Some(stage) = self.take(&packages.join(&name), &digest)?
                {
                    stage.remove()?;
                    removed.push(digest);
                }
            }
            Ok(removed)
        })
        .await
    }

    /// Moves a package out of sight, unless somebody has held it. From then on an upload stores it anew.
    fn take(&self, path: &Path, digest: &Sha256) -> Result<Option<Stage>, CodeError> {
        let stage = self.shared.new_stage();
        let state = self.shared.state();
        let held = state.touched.as_ref().is_none_or(|touched| touched.contains(digest));
        if held {
            stage.keep();
            return Ok(None);
        }
        std::fs::rename(path, stage.path()).map_err(CodeError::io("remove", path))?;
        Ok(Some(stage))
    }
}
