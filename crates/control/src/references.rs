//! Which packages records refer to: all others may be removed.

use std::collections::HashSet;

use lambent_lambda::{Function, LayerVersion};
use lambent_model::Sha256;
use lambent_store::{Error, Record, Store, merged_digest};

use crate::functions::{FUNCTION_KIND, VERSION_KIND};
use crate::layers::LAYER_VERSION_KIND;

/// The packages of all functions, their versions and all layers, and the merged trees of functions' layers, whose
/// own versions may have been deleted.
///
/// # Errors
/// Those of the store.
pub async fn referenced_packages(store: &Store) -> Result<HashSet<Sha256>, Error> {
    let mut referenced = HashSet::new();
    for kind in [FUNCTION_KIND, VERSION_KIND] {
        let note = |record: Record| {
            let function = record.decode::<Function>()?;
            referenced.insert(function.code.sha256);
            referenced.extend(function.settings.layer_tree(merged_digest));
            Ok::<_, Error>(())
        };
        store.each(kind, note).await?;
    }
    let note = |record: Record| {
        referenced.insert(record.decode::<LayerVersion>()?.code.sha256);
        Ok::<_, Error>(())
    };
    store.each(LAYER_VERSION_KIND, note).await?;
    Ok(referenced)
}
