//! What has been read of a bucket's configurations, which are kept as text: no request reads the same text again.

use std::sync::OnceLock;

use lambent_identity::policy::Document;
use s3s::dto::{BucketLifecycleConfiguration, NotificationConfiguration, PublicAccessBlockConfiguration};
use s3s::xml::DeserializeContent;
use s3s::{S3Error, S3ErrorCode, S3Result};

use crate::access;
use crate::api::{LIFECYCLE, xml};
use crate::lifecycle::Lifecycle;
use crate::notices::NOTIFICATION;
use crate::records::Bucket;
use crate::wishes::{self, Wish};

/// Filled as it is asked for. A clone is empty, since a bucket is cloned to be changed.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    lifecycle: OnceLock<Lifecycle>,
    notifications: OnceLock<Told>,
    policy: OnceLock<Option<Document>>,
    block: OnceLock<PublicAccessBlockConfiguration>,
}

impl Clone for Parsed {
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// Who is told of what happens in a bucket.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) wishes: Vec<Wish>,
    /// Whether EventBridge's default bus is.
    pub(crate) bus: bool,
}

impl Told {
    pub(crate) fn is_empty(&self) -> bool {
        self.wishes.is_empty() && !self.bus
    }
}

fn once<T>(cell: &OnceLock<T>, read: impl FnOnce() -> S3Result<T>) -> S3Result<&T> {
    match cell.get() {
        Some(found) => Ok(found),
        None => read().map(|read| cell.get_or_init(|| read)),
    }
}

impl Bucket {
    fn configuration<T: for<'x> DeserializeContent<'x>>(&self, name: &str) -> S3Result<Option<T>> {
        self.configurations.get(name).map(|text| xml::read(text)).transpose()
    }

    /// The rules that remove things by themselves.
    pub(crate) fn lifecycle(&self) -> S3Result<&Lifecycle> {
        once(&self.parsed.lifecycle, || {
            let found: Option<BucketLifecycleConfiguration> = self.configuration(LIFECYCLE)?;
            Ok(found.map(|found| Lifecycle::of(&found)).unwrap_or_default())
        })
    }

    pub(crate) fn notifications(&self) -> S3Result<&Told> {
        once(&self.parsed.notifications, || {
            let found: NotificationConfiguration = self.configuration(NOTIFICATION)?.unwrap_or_default();
            Ok(Told { wishes: wishes::read(&found)?, bus: found.event_bridge_configuration.is_some() })
        })
    }

    pub(crate) fn policy(&self) -> S3Result<Option<&Document>> {
        let read = |text: &String| {
            access::parse(text, &self.name)
                .map_err(|why| S3Error::with_message(S3ErrorCode::InternalError, why))
        };
        let policy =
            once(&self.parsed.policy, || self.configurations.get(access::POLICY).map(read).transpose());
        policy.map(Option::as_ref)
    }

    /// The block of public access that applies.
    pub(crate) fn block(&self) -> S3Result<&PublicAccessBlockConfiguration> {
        once(&self.parsed.block, || Ok(self.configuration(access::BLOCK)?.unwrap_or_default()))
    }
}
