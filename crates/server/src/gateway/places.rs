//! How many calls may be under way: beyond that they are refused at once, instead of growing in memory.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Origin;

/// Calls of clients at once: twice the connections, as one by HTTP/2 may carry many, and calls whose callers are gone
/// count until they end. An account's quota of concurrent invocations is a quarter of it.
const CLIENTS: usize = 4096;
/// Calls of functions at once. They have places of their own, so that functions that call in a loop do not keep clients
/// out.
const FUNCTIONS: usize = 4096;
/// After so many seconds a refused client may come again. Invocations take milliseconds; a second is enough for
/// thousands.
pub(super) const RETRY_AFTER_SECONDS: u64 = 1;

/// See the module's text.
pub(crate) struct Places {
    clients: Arc<Semaphore>,
    functions: Arc<Semaphore>,
}

impl Default for Places {
    fn default() -> Self {
        Self { clients: Arc::new(Semaphore::new(CLIENTS)), functions: Arc::new(Semaphore::new(FUNCTIONS)) }
    }
}

impl Places {
    /// A place, if there is one; free again when it is dropped.
    pub(crate) fn take(&self, origin: &Origin) -> Option<OwnedSemaphorePermit> {
        let places = match origin {
            Origin::Client(_) => &self.clients,
            Origin::Function(_) => &self.functions,
        };
        Arc::clone(places).try_acquire_owned().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_house_refuses_until_somebody_leaves() {
        let places = Places { clients: Arc::new(Semaphore::new(1)), functions: Arc::new(Semaphore::new(1)) };
        let client = Origin::Client(crate::urls::Peer::INSIDE);
        let only = places.take(&client);
        assert!(only.is_some() && places.take(&client).is_none());
        drop(only);
        assert!(places.take(&client).is_some());
    }
}
