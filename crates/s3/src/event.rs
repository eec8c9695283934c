//! What has happened to an object, in the words of those who want to know. Pure.
//!
//! User Guide, "Event message structure" for queues, topics and functions, and "EventBridge event message structure".

use std::sync::Arc;

use lambent_model::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::records::{Bucket, Object};

/// The kinds that this server tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Put,
    Post,
    Copy,
    CompleteMultipartUpload,
    /// A key or a version is gone for good.
    Delete,
    /// A key is hidden by a marker.
    DeleteMarkerCreated,
    TaggingPut,
    TaggingDelete,
    /// A lifecycle rule has removed a key or a version for good.
    Expiration,
    /// A lifecycle rule has hidden a key by a marker.
    ExpirationMarkerCreated,
}

impl Kind {
    /// As in configurations, without `s3:`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Put => "ObjectCreated:Put",
            Self::Post => "ObjectCreated:Post",
            Self::Copy => "ObjectCreated:Copy",
            Self::CompleteMultipartUpload => "ObjectCreated:CompleteMultipartUpload",
            Self::Delete => "ObjectRemoved:Delete",
            Self::DeleteMarkerCreated => "ObjectRemoved:DeleteMarkerCreated",
            Self::TaggingPut => "ObjectTagging:Put",
            Self::TaggingDelete => "ObjectTagging:Delete",
            Self::Expiration => "LifecycleExpiration:Delete",
            Self::ExpirationMarkerCreated => "LifecycleExpiration:DeleteMarkerCreated",
        }
    }

    /// EventBridge's name, and the operation that it gives as the reason.
    pub(crate) fn detail_type(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Put => ("Object Created", Some("PutObject")),
            Self::Post => ("Object Created", Some("POST Object")),
            Self::Copy => ("Object Created", Some("CopyObject")),
            Self::CompleteMultipartUpload => ("Object Created", Some("CompleteMultipartUpload")),
            Self::Delete | Self::DeleteMarkerCreated => ("Object Deleted", Some("DeleteObject")),
            Self::TaggingPut => ("Object Tags Added", None),
            Self::TaggingDelete => ("Object Tags Deleted", None),
            Self::Expiration | Self::ExpirationMarkerCreated => {
                ("Object Deleted", Some("Lifecycle Expiration"))
            }
        }
    }

    fn is_tagging(self) -> bool {
        matches!(self, Self::TaggingPut | Self::TaggingDelete)
    }

    /// Whether nobody asked for it.
    fn is_of_lifecycle(self) -> bool {
        matches!(self, Self::Expiration | Self::ExpirationMarkerCreated)
    }
}

/// One event.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) kind: Kind,
    pub(crate) bucket: Arc<Bucket>,
    pub(crate) key: String,
    pub(crate) at: Timestamp,
    pub(crate) sequence: u64,
    /// Size and ETag of what was created.
    pub(crate) object: Option<(u64, String)>,
    /// Of buckets with versions.
    pub(crate) version: Option<String>,
}

/// Who caused it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cause<'a> {
    pub(crate) principal: &'a str,
    /// The account, or nobody's.
    pub(crate) requester: &'a str,
    pub(crate) address: &'a str,
    pub(crate) request_id: &'a str,
}

/// Keys in messages are encoded as in forms, but for slashes.
const KEY: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'*').remove(b'/').remove(b' ');

impl Event {
    /// Of an object that was created or tagged.
    pub(crate) fn of(kind: Kind, bucket: &Arc<Bucket>, key: &str, object: &Object) -> Self {
        Self {
            kind,
            bucket: Arc::clone(bucket),
            key: key.to_owned(),
            at: object.modified,
            sequence: object.sequence,
            object: Some((object.size, object.etag.clone())),
            version: object.version.clone(),
        }
    }

    fn sequencer(&self) -> String {
        format!("{:018X}", self.sequence)
    }

    /// The message for a queue, a topic or a function; `id` is the configuration's.
    pub(crate) fn message(&self, id: &str, cause: &Cause<'_>) -> Value {
        let bucket = &self.bucket;
        let mut object = json!({ "key": utf8_percent_encode(&self.key, KEY).to_string().replace(' ', "+") });
        if let Some((size, etag)) = &self.object {
            if !self.kind.is_tagging() {
                object["size"] = (*size).into();
            }
            object["eTag"] = etag.as_str().into();
        }
        if let Some(version) = &self.version {
            object["versionId"] = version.as_str().into();
        }
        if !self.kind.is_tagging() {
            object["sequencer"] = self.sequencer().into();
        }
        json!({ "Records": [{
            "eventVersion": if self.kind.is_tagging() || self.kind.is_of_lifecycle() { "2.3" } else { "2.1" },
            "eventSource": "aws:s3",
            "awsRegion": bucket.region.as_str(),
            "eventTime": self.at.to_string(),
            "eventName": self.kind.name(),
            "userIdentity": { "principalId": cause.principal },
            "requestParameters": { "sourceIPAddress": cause.address },
            "responseElements": { "x-amz-request-id": cause.request_id, "x-amz-id-2": cause.request_id },
            "s3": {
                "s3SchemaVersion": "1.0",
                "configurationId": id,
                "bucket": {
                    "name": bucket.name,
                    "ownerIdentity": { "principalId": bucket.account.as_str() },
                    "arn": format!("arn:aws:s3:::{}", bucket.name),
                },
                "object": object,
            },
        }] })
    }

    /// The entry for EventBridge's default bus.
    pub(crate) fn entry(&self, cause: &Cause<'_>) -> Value {
        let (detail_type, reason) = self.kind.detail_type();
        let mut object = json!({ "key": self.key });
        if let Some((size, etag)) = &self.object {
            if !self.kind.is_tagging() {
                object["size"] = (*size).into();
            }
            object["etag"] = etag.as_str().into();
        }
        if let Some(version) = &self.version {
            object["version-id"] = version.as_str().into();
        }
        if !self.kind.is_tagging() {
            object["sequencer"] = self.sequencer().into();
        }
        let mut detail = json!({
            "version": "0",
            "bucket": { "name": self.bucket.name },
            "object": object,
            "request-id": cause.request_id,
            "requester": cause.requester,
        });
        // "Only present for S3 request events."
        if !self.kind.is_of_lifecycle() {
            detail["source-ip-address"] = cause.address.into();
        }
        if let Some(reason) = reason {
            detail["reason"] = reason.into();
        }
        match self.kind {
            Kind::Delete | Kind::Expiration => detail["deletion-type"] = "Permanently Deleted".into(),
            Kind::DeleteMarkerCreated | Kind::ExpirationMarkerCreated => {
                detail["deletion-type"] = "Delete Marker Created".into();
            }
            _ => {}
        }
        json!({
            "Time": self.at.seconds(),
            "Source": "aws.s3",
            "DetailType": detail_type,
            "Resources": [format!("arn:aws:s3:::{}", self.bucket.name)],
            "Detail": detail.to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: Kind) -> Event {
        let (account, region) = ("123456789012".parse().unwrap(), "us-west-2".parse().unwrap());
        let bucket = Bucket::new("b".into(), account, region, Timestamp::from_millis(0));
        Event {
            kind,
            bucket: Arc::new(bucket),
            key: "a folder/é+1.jpg".into(),
            at: Timestamp::from_millis(0),
            sequence: 0x55_AED6_DCD9_0281,
            object: (kind == Kind::Put).then(|| (1024, "d41d8cd98f00b204e9800998ecf8427e".into())),
            version: None,
        }
    }

    const CAUSE: Cause<'static> = Cause {
        principal: "AWS:123456789012",
        requester: "123456789012",
        address: "127.0.0.1",
        request_id: "R",
    };

    #[test]
    fn the_message_is_that_of_the_user_guide() {
        let expected = json!({ "Records": [{
            "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "us-west-2",
            "eventTime": "1970-01-01T00:00:00.000Z", "eventName": "ObjectCreated:Put",
            "userIdentity": { "principalId": "AWS:123456789012" },
            "requestParameters": { "sourceIPAddress": "127.0.0.1" },
            "responseElements": { "x-amz-request-id": "R", "x-amz-id-2": "R" },
            "s3": {
                "s3SchemaVersion": "1.0", "configurationId": "c",
                "bucket": { "name": "b", "ownerIdentity": { "principalId": "123456789012" }, "arn": "arn:aws:s3:::b" },
                "object": {
                    "key": "a+folder/%C3%A9%2B1.jpg", "size": 1024, "eTag": "d41d8cd98f00b204e9800998ecf8427e",
                    "sequencer": "000055AED6DCD90281",
                },
            },
        }] });
        assert_eq!(event(Kind::Put).message("c", &CAUSE), expected);
        let removed = event(Kind::Delete).message("c", &CAUSE);
        assert_eq!(removed["Records"][0]["s3"]["object"].as_object().unwrap().len(), 2);
    }

    #[test]
    fn the_entry_for_a_bus() {
        let entry = event(Kind::Delete).entry(&CAUSE);
        assert_eq!((&entry["Source"], &entry["DetailType"]), (&json!("aws.s3"), &json!("Object Deleted")));
        let detail: Value = serde_json::from_str(entry["Detail"].as_str().unwrap()).unwrap();
        assert_eq!(detail["deletion-type"], "Permanently Deleted");
        assert_eq!(detail["object"]["key"], "a folder/é+1.jpg");
    }

    #[test]
    fn what_nobody_asked_for() {
        let event = event(Kind::ExpirationMarkerCreated);
        let record = &event.message("c", &CAUSE)["Records"][0];
        assert_eq!(
            (&record["eventName"], &record["eventVersion"]),
            (&json!("LifecycleExpiration:DeleteMarkerCreated"), &json!("2.3"))
        );
        let entry = event.entry(&CAUSE);
        let detail: Value = serde_json::from_str(entry["Detail"].as_str().unwrap()).unwrap();
        assert_eq!(detail["reason"], "Lifecycle Expiration");
        assert_eq!(detail["deletion-type"], "Delete Marker Created");
        assert_eq!(detail.get("source-ip-address"), None);
    }
}
