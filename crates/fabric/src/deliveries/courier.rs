//! Sends deliveries.

use std::sync::Arc;
use std::time::Duration;

use lambent_model::{AwsCall, AwsCallError, Clock, Count, MetricSink};
use lambent_store::queue::Message;

use super::parcel::State;
use super::{Kind, PREFIX, Parcel, request};
use crate::dispatcher::{AttemptFuture, Courier, Verdict};
use crate::events::{TimeScale, series};
use crate::lanes::Bounds;

/// As many as there are connections to other services; what their bodies may take in memory; and few to a destination
/// of which nobody knows yet whether it answers.
const BOUNDS: Bounds = Bounds { slots: 64, bytes: 64 * 1024 * 1024, first: 4 };

/// After the first attempt that failed; doubled by each further one.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest of those waits.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// Sends records and dead letters. Cheap to clone.
#[derive(Clone)]
pub struct DeliveryCourier {
    /// Calls the services.
    pub calls: Arc<dyn AwsCall>,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Where failures are counted.
    pub metrics: Arc<dyn MetricSink>,
    /// How fast time goes for waits.
    pub scale: TimeScale,
}

impl Courier for DeliveryCourier {
    fn prefix(&self) -> &'static str {
        PREFIX
    }

    fn bounds(&self) -> Bounds {
        BOUNDS
    }

    fn attempt(&self, queue: Arc<str>, message: Message) -> AttemptFuture {
        let courier = self.clone();
        Box::pin(async move { courier.deliver(&queue, message).await })
    }
}

impl DeliveryCourier {
    async fn deliver(&self, queue: &str, message: Message) -> Verdict {
        let id = message.lease.id();
        let state = State::decode(&message.state);
        let Some((parcel, State { failed })) = Parcel::decode(message.body).zip(state) else {
            tracing::error!(message = %id, queue, "a message is no delivery that this version knows; it is dropped");
            return Verdict::Settled(Vec::new());
        };
        let Err(error) = self.send(&parcel).await else { return Verdict::Settled(Vec::new()) };
        let due = self.clock.now().plus(self.scale.apply(wait(failed)));
        if error.is_final() || due > parcel.until {
            self.give_up(&parcel, failed + 1, &error);
            return Verdict::Settled(Vec::new());
        }
        if failed == 0 {
            let (destination, function) = (&parcel.destination, parcel.target.qualified());
            tracing::warn!(destination, function, %error, "a delivery failed and is tried again");
        }
        Verdict::Later { due, state: State { failed: failed + 1 }.encode(), refused: true }
    }

    async fn send(&self, parcel: &Parcel) -> Result<(), AwsCallError> {
        let request = request::request(parcel).map_err(AwsCallError::Invalid)?;
        let operation = request.operation;
        let answer = self.calls.call(request).await?;
        match request::failed_entry(operation, &answer.body) {
            None => Ok(()),
            Some((code, message)) => Err(AwsCallError::Service { status: 200, code, message }),
        }
    }

    /// The loss is counted under AWS's name (Developer Guide, "Types of metrics for Lambda functions"), once for each
    /// delivery that never arrives.
    fn give_up(&self, parcel: &Parcel, attempts: u32, error: &AwsCallError) {
        let count = match parcel.kind {
            Kind::DeadLetter { .. } => Count::DeadLetterErrors,
            Kind::Success | Kind::Failure => Count::DestinationDeliveryFailures,
        };
        series(&*self.metrics, &parcel.target).count(count, 1);
        tracing::error!(
            request_id = %parcel.request_id,
            function = parcel.target.qualified(),
            destination = parcel.destination,
            attempts,
            %error,
            "a delivery is given up and lost"
        );
    }
}

/// The wait after so many failures before.
fn wait(failed: u32) -> Duration {
    FIRST_WAIT.saturating_mul(1 << failed.min(16)).min(LONGEST_WAIT)
}
