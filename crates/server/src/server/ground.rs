//! What all parts stand on: the data folder and its stores, and the process that makes sandboxes.

use std::path::Path;
use std::sync::Arc;

use lambent_metrics::Metrics;
use lambent_model::{Clock, Entropy};
use lambent_sandbox_client::{Host, Isolation, Launcher, Network, Spawned};
use lambent_services::logs::Logs;
use lambent_store::{CodeOptions, CodeStore, Store};

use super::{StartError, data_dir_error};
use crate::namespaces::Policy;
use crate::telemetry::Telemetry;
use crate::unpacker::Unpacker;
use crate::world::{SystemClock, SystemEntropy};
use crate::{Config, secret};

/// What all parts stand on.
pub(super) struct Ground {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<dyn Entropy>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) store: Store,
    pub(super) logs: Logs,
    pub(super) code: CodeStore,
    pub(super) launcher: Launcher,
    pub(super) secret: [u8; 32],
}

impl Ground {
    pub(super) async fn lay(
        dir: &Path,
        config: &Config,
        launcher: Spawned,
        telemetry: &Telemetry,
    ) -> Result<Self, StartError> {
        let (clock, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>) =
            (Arc::new(SystemClock), Arc::new(SystemEntropy));
        let metrics = telemetry.metrics();
        // The store first: it takes the data folder for this process.
        let store = Store::open(dir)?.measured_by(Arc::clone(&metrics) as _);
        let logs = Logs::open(dir, Arc::clone(&clock), Arc::clone(&entropy))?;
        let launcher = connect(launcher, config).await?;
        let code = open_code(dir, &launcher)?;
        let secret = secret::load_or_create(dir, &*entropy).map_err(|source| data_dir_error(dir, source))?;
        Ok(Self { clock, entropy, metrics, store, logs, code, launcher, secret })
    }
}

async fn connect(launcher: Spawned, config: &Config) -> Result<Launcher, StartError> {
    let launcher = launcher.connect().await?;
    if config.isolation == Isolation::Namespaces {
        check_namespaces(launcher.host())?;
    }
    match (config.network, &launcher.host().nat_error) {
        (Network::Nat, Some(reason)) => Err(StartError::Network(reason.clone())),
        _ => Ok(launcher),
    }
}

fn check_namespaces(host: &Host) -> Result<(), StartError> {
    match &host.namespaces_error {
        None => Ok(()),
        Some(reason) => Err(StartError::Isolation(format!(
            "{reason}; {}; `lambent doctor` says more",
            Policy::read().remedy(host.root)
        ))),
    }
}

fn open_code(dir: &Path, launcher: &Launcher) -> Result<CodeStore, StartError> {
    let unpacker = Arc::new(Unpacker(launcher.clone()));
    Ok(CodeStore::open(&dir.join("code"), CodeOptions::new(unpacker))?)
}
