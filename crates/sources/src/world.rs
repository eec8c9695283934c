//! What pollers need of the world.

use std::sync::Arc;

use lambent_fabric::events::TimeScale;
use lambent_model::{AwsCall, Clock, Entropy, Invoke, MetricSink};
use tokio::sync::Semaphore;

/// Calls that wait for messages at once, of all mappings. Ten times as many as a large account has mappings; each is a
/// connection where the source is another server's. Mappings beyond take turns.
const POLLS: usize = 1024;

/// Ports and settings.
pub struct World {
    /// Calls sources.
    pub calls: Arc<dyn AwsCall>,
    /// Runs functions.
    pub invoke: Arc<dyn Invoke>,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Ids of invocations.
    pub entropy: Arc<dyn Entropy>,
    /// Where messages are counted.
    pub metrics: Arc<dyn MetricSink>,
    /// How fast time goes for waits after failures and for growth.
    pub scale: TimeScale,
    /// What all mappings share.
    pub bounds: Bounds,
}

/// What all mappings share.
#[derive(Debug)]
pub struct Bounds {
    /// Places of calls that wait for messages.
    pub(crate) polls: Semaphore,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { polls: Semaphore::new(POLLS) }
    }
}

impl World {
    /// Seconds of a mapping's time in one of the clock's.
    pub(crate) fn pace(&self) -> f64 {
        1.0 / self.scale.0
    }
}
