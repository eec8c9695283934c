//! Objects as a whole, for parts of this server that need one: packages of functions.

use bytes::Bytes;
use lambent_identity::Principal;
use lambent_model::{AccountId, Region};

use crate::access;
use crate::asker::Asker;
use crate::service::S3;

/// Why there is no object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObjectError {
    /// As S3 would answer it.
    Refused {
        /// `NoSuchKey`.
        code: String,
        /// The text.
        message: String,
    },
    /// It is larger than what was asked for.
    TooLarge,
}

impl From<s3s::S3Error> for ObjectError {
    fn from(error: s3s::S3Error) -> Self {
        let message = error.message().unwrap_or_default().to_owned();
        Self::Refused { code: error.code().as_str().to_owned(), message }
    }
}

impl S3 {
    /// An object of a bucket in `region`, read in the name of an account, of at most `largest` bytes.
    ///
    /// # Errors
    /// [`ObjectError`], in S3's words.
    pub async fn read_object(
        &self,
        account: AccountId,
        region: &Region,
        bucket: &str,
        key: &str,
        version: Option<&str>,
        largest: u64,
    ) -> Result<Bytes, ObjectError> {
        let engine = self.engine();
        let bucket = engine.bucket(bucket)?;
        if bucket.region != *region {
            let message = format!(
                "The bucket is in this region: {}. Please use this region to retry the request",
                bucket.region
            );
            return Err(ObjectError::Refused { code: "PermanentRedirect".into(), message });
        }
        let asker = Asker {
            principal: Some(Principal::Root(account)),
            region: region.clone(),
            is_bound: false,
            limits: None,
            secret: None,
            address: None,
            request_id: String::new(),
            facts: Default::default(),
            trace_id: None,
        };
        let action = if version.is_some() { "s3:GetObjectVersion" } else { "s3:GetObject" };
        access::may(&asker, &bucket, action, Some(key))?;
        // A second time where the object is replaced between its record and its file.
        for _ in 0..2 {
            let object = crate::api::find(engine, &bucket, key, version).await?;
            if object.size > largest {
                return Err(ObjectError::TooLarge);
            }
            if let Some(bytes) = engine.read_whole(&object.content, object.size).await? {
                return Ok(bytes);
            }
        }
        Err(s3s::s3_error!(SlowDown, "the object is replaced faster than it can be read").into())
    }
}
