//! Packages that lie in this server's S3.

use std::sync::Arc;

use lambent_control::{ObjectName, ReadObject, ReadObjectError, ReadObjectFuture};
use lambent_s3::{ObjectError, S3};
use tokio::sync::Semaphore;

/// Packages in memory at once, as with large bodies of requests: half a gigabyte at most.
const AT_ONCE: usize = 2;

/// Reads packages out of buckets.
pub(crate) struct Packages {
    s3: S3,
    places: Arc<Semaphore>,
}

impl Packages {
    pub(crate) fn new(s3: S3) -> Self {
        Self { s3, places: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

impl ReadObject for Packages {
    fn read(&self, name: ObjectName) -> ReadObjectFuture {
        let (s3, places) = (self.s3.clone(), Arc::clone(&self.places));
        Box::pin(async move {
            let _place = places.acquire_owned().await.expect("nobody closes this semaphore");
            let ObjectName { account, bucket, key, version, region, largest } = name;
            let read = s3.read_object(account, &region, &bucket, &key, version.as_deref(), largest);
            read.await.map_err(|error| match error {
                ObjectError::Refused { code, message } => ReadObjectError::Refused { code, message },
                ObjectError::TooLarge => ReadObjectError::TooLarge,
            })
        })
    }
}
