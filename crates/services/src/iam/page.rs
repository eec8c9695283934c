//! Pages of lists: `Marker` and `MaxItems` (IAM API Reference, "ListRoles").

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lambent_wire::{Error, common};

/// What AWS answers without `MaxItems`.
const DEFAULT_ITEMS: usize = 100;

/// A page, and where the next one begins.
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    pub(super) marker: Option<String>,
}

impl<T> Page<T> {
    pub(super) fn is_truncated(&self) -> Option<bool> {
        Some(self.marker.is_some())
    }
}

/// The items after the marker, which are put in the order of their keys.
pub(super) fn page<T>(
    mut items: Vec<T>,
    key: impl Fn(&T) -> String,
    marker: Option<&str>,
    max_items: Option<i32>,
) -> Result<Page<T>, Error> {
    items.sort_by_cached_key(&key);
    if let Some(marker) = marker {
        let after = URL_SAFE_NO_PAD.decode(marker).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let after = after.ok_or_else(|| common::validation_exception("Invalid Marker."))?;
        items.retain(|item| key(item) > after);
    }
    let max = max_items.and_then(|max| usize::try_from(max).ok()).unwrap_or(DEFAULT_ITEMS);
    let has_more = items.len() > max;
    items.truncate(max);
    let marker = items.last().filter(|_| has_more).map(|last| URL_SAFE_NO_PAD.encode(key(last)));
    Ok(Page { items, marker })
}
