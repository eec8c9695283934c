//! Tags of a function.

use std::collections::BTreeMap;

use crate::{Refusal, limits};

/// Adds `new` to `tags`, replacing values of keys that exist.
///
/// # Errors
/// When nothing is given, a key is reserved, or the result has more than 50 tags; `tags` is then untouched.
pub fn merge_tags(
    tags: &BTreeMap<String, String>,
    new: BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, Refusal> {
    if let Some(key) = new.keys().find(|key| key.to_ascii_lowercase().starts_with("aws:")) {
        // AWS Tagging guide: the prefix is AWS's own.
        return Err(Refusal::InvalidParameter(format!(
            "Tag keys starting with 'aws:' are reserved for system use: {key}"
        )));
    }
    let mut merged = tags.clone();
    merged.extend(new);
    if merged.len() > limits::TAGS {
        return Err(Refusal::InvalidParameter("Number of tags exceeds resource tag limit.".into()));
    }
    Ok(merged)
}

/// Removes the keys that exist; others are no error.
#[must_use]
pub fn remove_tags(tags: &BTreeMap<String, String>, keys: &[String]) -> BTreeMap<String, String> {
    tags.iter().filter(|(key, _)| !keys.contains(key)).map(|(k, v)| (k.clone(), v.clone())).collect()
}
