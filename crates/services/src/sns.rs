//! Amazon SNS: topics, subscriptions, and messages on their way from one to the other.
//!
//! ```text
//! Publish ─ message (checked) ─ filters ─▶ one delivery for each subscription ─ commit ─▶ answer
//!                                             └▶ the fabric's outbox: Lambda, SQS, HTTP; retries; dead letters
//! ```
//!
//! Topics and subscriptions are records of the store, and in memory for publishing (`hot`). What a message is, what it
//! looks like to whom, who wants it, and when it is tried again is decided in pure files; `deliver` puts it together.
//! FIFO topics have their duplicates and numbers in the store (`fifo`), what is over is removed by `expire`.

mod attributes;
mod call;
mod certificate;
mod confirm;
mod deliver;
mod delivery_policy;
mod endpoint;
mod envelope;
mod expire;
mod fifo;
mod filter;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod hot;
mod lists;
mod message;
mod names;
mod policy;
mod publish;
mod record;
mod sign;
mod store;
mod subscribe;
mod subscription_attributes;
mod tags;
#[cfg(test)]
mod tests;
mod topics;
mod unsigned;

use std::sync::Arc;

use lambent_model::{AwsCall, Clock, Entropy};
use lambent_store::Store;
use tokio::sync::OnceCell;

pub use expire::Expirer;
pub use sign::{Signer, SignerError};

use envelope::Base;
use fifo::Sequences;
use hot::Cache;

/// Reads the key that messages are signed with, or makes one and keeps it. Runs where it may block, once.
pub type LoadSigner = Box<dyn Fn() -> Result<Signer, SignerError> + Send + Sync>;

/// What the service stands on.
pub struct Parts {
    /// Topics, subscriptions, deliveries.
    pub store: Store,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Ids, tokens, signatures.
    pub entropy: Arc<dyn Entropy>,
    /// Says which endpoints can be reached at all.
    pub calls: Arc<dyn AwsCall>,
    /// Called when the first message is to be signed, or the certificate is asked for.
    pub signer: LoadSigner,
    /// Scheme, host and port of this server, for the links in messages.
    pub base_url: String,
}

/// The service. Clones are handles to the same one.
#[derive(Clone)]
pub struct Sns {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    calls: Arc<dyn AwsCall>,
    load_signer: LoadSigner,
    signer: OnceCell<Signer>,
    base: Base,
    cache: Cache,
    sequences: Sequences,
}

impl Sns {
    /// The service over a store.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let Parts { store, clock, entropy, calls, signer: load_signer, base_url } = parts;
        let inner = Inner {
            store,
            clock,
            entropy,
            calls,
            load_signer,
            signer: OnceCell::new(),
            base: Base(base_url),
            cache: Cache::default(),
            sequences: Sequences::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    fn id(&self) -> String {
        lambent_model::RequestId::random(&*self.inner.entropy).to_string()
    }

    /// Makes or reads the key the first time; both take a moment, and a file.
    async fn signer(&self) -> Result<&Signer, SignerError> {
        let load = || async {
            let sns = self.clone();
            let loaded = tokio::task::spawn_blocking(move || (sns.inner.load_signer)()).await;
            loaded.unwrap_or_else(|error| match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(cancelled) => Err(SignerError::Make(cancelled.to_string())),
            })
        };
        self.inner.signer.get_or_try_init(load).await
    }

    /// The certificate to check signatures with, if that is what this path is of.
    ///
    /// # Errors
    /// When the key cannot be read or made.
    pub async fn certificate(&self, path: &str) -> Result<Option<String>, SignerError> {
        if !path.starts_with("/SimpleNotificationService-") {
            return Ok(None);
        }
        let signer = self.signer().await?;
        Ok((signer.path() == path).then(|| signer.certificate().to_owned()))
    }
}
