//! Environments that belong to no pool, such as one whose snapshot is to be taken.

use std::sync::Arc;
use std::time::Duration;

use lambent_model::{Bytes, EnvironmentId, MemorySize};

use crate::invoker::{Inner, Invoker};
use crate::place::{Nobody, make_room};
use crate::room::Estimate;
use crate::starts::Turn;

/// Between two looks for room: nothing tells when there is some.
const LOOK: Duration = Duration::from_secs(1);

/// A turn to start one environment, and room in the machine's memory for it, until this is dropped.
pub struct Apart {
    inner: Arc<Inner>,
    id: EnvironmentId,
    _turn: Turn,
}

impl Invoker {
    /// Waits for a turn and for room, behind those who wait for an environment; nobody's environment is ended for it, and
    /// it takes as long as it takes.
    pub async fn apart(&self, id: EnvironmentId, memory: MemorySize) -> Apart {
        let inner = &self.inner;
        loop {
            let turn = inner.starts.turn().await;
            let available = (inner.available)(Bytes(0)).map(|available| available.0);
            let refused = {
                let mut room = inner.room();
                match make_room(&Estimate::new(memory), &mut room, available, &Nobody, || Ok(())) {
                    Ok(need) => {
                        room.promise(id, need);
                        return Apart { inner: Arc::clone(inner), id, _turn: turn };
                    }
                    Err(refused) => refused,
                }
            };
            drop(turn);
            inner.tell(&refused);
            tokio::time::sleep(LOOK).await;
        }
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        self.inner.room().ended(self.id);
    }
}
