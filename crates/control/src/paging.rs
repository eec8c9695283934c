//! Pages of lists: how long they are and where the next one begins.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lambent_lambda::limits;
use lambent_wire::Error;

use crate::refuse::invalid;

/// "Lambda returns up to 50 items per page" of functions and versions, however many are asked for.
pub(crate) fn page_size(max_items: Option<i32>) -> usize {
    asked(max_items).min(limits::PAGE)
}

/// As many as are asked for, 50 otherwise.
pub(crate) fn asked(max_items: Option<i32>) -> usize {
    max_items.and_then(|items| usize::try_from(items).ok()).unwrap_or(limits::PAGE)
}

/// Cuts a list that was read with one item more than a page has, and makes the marker of the next page, if there is
/// one, out of the last item's name.
pub(crate) fn cut<T>(items: &mut Vec<T>, size: usize, name: impl Fn(&T) -> String) -> Option<String> {
    let more = items.len() > size;
    items.truncate(size);
    items.last().filter(|_| more).map(|last| URL_SAFE_NO_PAD.encode(name(last)))
}

/// The name in a marker.
pub(crate) fn open(marker: Option<&str>) -> Result<Option<String>, Error> {
    let Some(marker) = marker else { return Ok(None) };
    let name = URL_SAFE_NO_PAD.decode(marker).ok().and_then(|name| String::from_utf8(name).ok());
    name.map(Some)
        .ok_or_else(|| invalid("Invalid pagination token: pass NextMarker of the previous page unchanged"))
}
