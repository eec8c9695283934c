//! The services beside Lambda, in the order in which they depend on each other.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use lambent_model::{Clock, Entropy, ResourcePolicies};
use lambent_s3::S3;
use lambent_services::autoscaling::Autoscaling;
use lambent_services::eventbridge::EventBridge;
use lambent_services::iam::Iam;
use lambent_services::logs::Logs;
use lambent_services::scheduler::Scheduler;
use lambent_services::sns::Sns;
use lambent_sqs::Sqs;
use lambent_store::Store;
use tokio::sync::watch;

use crate::calls::Outside;
use crate::gateway::{Gateway, Permits};
use crate::server::StartError;
use crate::{Config, buses, scaling, topics};

/// Handles to all of them.
pub(crate) struct Companions {
    pub(crate) iam: Iam,
    pub(crate) sqs: Sqs,
    pub(crate) sns: Sns,
    pub(crate) eventbridge: EventBridge,
    pub(crate) scheduler: Scheduler,
    pub(crate) s3: S3,
    pub(crate) autoscaling: Autoscaling,
}

/// What they stand on.
pub(crate) struct Footing<'a> {
    pub(crate) store: &'a Store,
    pub(crate) clock: &'a Arc<dyn Clock>,
    pub(crate) entropy: &'a Arc<dyn Entropy>,
    pub(crate) outside: &'a Outside,
    pub(crate) door: &'a watch::Sender<Option<Arc<Gateway>>>,
    pub(crate) dir: &'a Path,
    pub(crate) address: SocketAddr,
    pub(crate) secret: [u8; 32],
    pub(crate) config: &'a Config,
}

impl Companions {
    pub(crate) async fn open(on: Footing<'_>) -> Result<Self, StartError> {
        let Footing { store, clock, entropy, outside, .. } = on;
        let iam = Iam::new(store.clone(), Arc::clone(clock), Arc::clone(entropy));
        let (eventbridge, scheduler) = buses::services(store, clock, entropy, &outside.calls, &iam);
        let parts = lambent_s3::Parts {
            store: store.clone(),
            clock: Arc::clone(clock),
            entropy: Arc::clone(entropy),
            calls: Arc::clone(&outside.calls),
        };
        Ok(Self {
            sqs: Sqs::new(store.clone(), Arc::clone(clock), Arc::clone(entropy), on.secret).await?,
            sns: topics::service(store, clock, entropy, &outside.calls, on.dir, on.address),
            s3: S3::open(on.dir, parts).await?,
            autoscaling: scaling::service(store, clock, entropy, on.door.subscribe(), on.config),
            iam,
            eventbridge,
            scheduler,
        })
    }

    /// What is asked whether the platform may call; `functions` are the policies of Lambda's resources.
    pub(crate) fn permits(
        &self,
        clock: &Arc<dyn Clock>,
        functions: Arc<dyn ResourcePolicies>,
        logs: Logs,
    ) -> Permits {
        Permits::new(self.iam.clone(), Arc::clone(clock))
            .with("lambda", functions)
            .with("s3", Arc::new(self.s3.clone()))
            .with("sqs", Arc::new(self.sqs.clone()))
            .with("sns", Arc::new(self.sns.clone()))
            .with("events", Arc::new(self.eventbridge.clone()))
            .with("logs", Arc::new(logs))
    }
}
