//! How single parts are made of the configuration and of each other.

use std::net::SocketAddr;
use std::sync::Arc;

use lambent_control::{RuntimeRules, RuntimeStatus};
use lambent_environment::{Guest, ServePlatform, World};
use lambent_invoker::{Available, Compose, Invoker, Options as InvokerOptions};
use lambent_model::{Bytes, MetricSink};
use lambent_sandbox_client::{Connection, Isolation};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::StartError;
use crate::compose::{Composer, ENVIRONMENT_LIFETIME};
use crate::feed::Feed;
use crate::gateway::Gateway;
use crate::memory::HostMemory;
use crate::prewarm::Stock;
use crate::tls::Names;
use crate::urls::{Domains, Urls};
use crate::{Config, listener};

pub(super) fn front_door(
    listener: std::net::TcpListener,
    address: SocketAddr,
) -> Result<TcpListener, StartError> {
    TcpListener::from_std(listener).map_err(|source| StartError::Listen { address, source })
}

/// Serves functions once the gateway is there.
pub(super) fn platform(gateway_made: watch::Receiver<Option<Arc<Gateway>>>) -> ServePlatform {
    Arc::new(move |connection: Connection, guest: Guest| {
        let mut gateway_made = gateway_made.clone();
        Box::pin(async move {
            let gateway = gateway_made.wait_for(Option::is_some).await.ok().and_then(|made| made.clone());
            if let Some(gateway) = gateway {
                listener::serve_function(connection, gateway, guest).await;
            }
        })
    })
}

pub(super) fn invoker(world: Arc<World>, composer: Arc<Composer>, stock: &Stock, config: &Config) -> Invoker {
    let entropy = Arc::clone(&world.entropy);
    let (compose, available) = (composing(composer, stock.clone()), available(stock.clone()));
    Invoker::new(world, entropy, compose, available, invoker_options(config))
}

fn invoker_options(config: &Config) -> InvokerOptions {
    InvokerOptions {
        idle: config.idle,
        lifetime: ENVIRONMENT_LIFETIME,
        concurrency: lambent_lambda::limits::CONCURRENT_EXECUTIONS,
    }
}

pub(super) fn urls(config: &Config, feed: &Feed, metrics: Arc<dyn MetricSink>) -> Urls {
    let domains = Domains::new(&config.url_domains);
    Urls { domains, index: feed.urls(), progress: feed.progress(), invoke: feed.fresh(), metrics }
}

/// The names that certificates are made for.
pub(super) fn names(config: &Config, address: SocketAddr) -> Names {
    Names::new(&config.hosts, &config.url_domains, address.ip())
}

pub(super) fn cpu_millis() -> Option<u32> {
    let cpus = std::thread::available_parallelism().ok()?;
    u32::try_from(cpus.get()).ok()?.checked_mul(1000)
}

pub(super) fn runtime_rules() -> RuntimeRules {
    RuntimeRules {
        status: |runtime| match lambent_runtimes::info(runtime) {
            Some(info) if info.is_accepted() => RuntimeStatus::Accepted,
            Some(_) => RuntimeStatus::Retired,
            None => RuntimeStatus::Unknown,
        },
        accepted: || {
            lambent_runtimes::ALL.iter().filter(|info| info.is_accepted()).map(|info| info.id).collect()
        },
        is_reserved: lambent_runtimes::is_reserved,
    }
}

pub(super) fn health(
    config: &Config,
    rootless: bool,
    invoker: Invoker,
    stock: Stock,
) -> Box<dyn Fn() -> serde_json::Value + Send + Sync> {
    let isolation = match config.isolation {
        Isolation::Namespaces => "namespaces",
        Isolation::Process => "process",
    };
    Box::new(move || {
        serde_json::json!({
            "status": "ready",
            "version": env!("CARGO_PKG_VERSION"),
            "isolation": isolation,
            "rootless": rootless,
            "environments": invoker.environments(),
            "prewarmed": stock.waiting(),
            "prewarm_wanted": stock.wanted(),
        })
    })
}

/// What the host can give to environments. Sandboxes that wait for nobody in particular go before anybody's idle
/// environment.
fn available(stock: Stock) -> Available {
    let memory = HostMemory::find();
    Box::new(move |wanted| {
        let available = memory.available()?;
        Some(Bytes(available.0 + stock.make_room(wanted.0.saturating_sub(available.0))))
    })
}

/// A function that was stored or changed is likely to be invoked soon.
fn composing(composer: Arc<Composer>, stock: Stock) -> Compose {
    Box::new(move |arn, record| {
        let function = composer.compose(arn, record);
        stock.expect(function.plan.kind());
        function
    })
}
