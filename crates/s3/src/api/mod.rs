//! The operations, as s3s decodes and encodes them: a file for each group.

mod buckets;
mod complete;
mod configurations;
mod copy;
mod delete;
mod get;
mod list;
mod multipart;
mod notification;
mod permissions;
mod put;
mod tagging;
mod uploads;
mod words;

use std::sync::Arc;

use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result};

use crate::engine::Engine;

pub(crate) use configurations::LIFECYCLE;
pub(crate) use get::find;
pub(crate) use multipart::abandon;
pub(crate) use words::{epoch_seconds, without_chunks, xml};

/// The operations on one engine.
pub(crate) struct Api(pub(crate) Arc<Engine>);

/// Each operation is a function of the engine and its request; s3s wants them as methods of one trait.
macro_rules! operations {
    ($($name:ident($input:ident) -> $output:ident = $function:path;)*) => {
        #[async_trait::async_trait]
        impl S3 for Api {
            $(async fn $name(&self, request: S3Request<$input>) -> S3Result<S3Response<$output>> {
                $function(&self.0, request).await.map(S3Response::new)
            })*
        }
    };
}

operations! {
    create_bucket(CreateBucketInput) -> CreateBucketOutput = buckets::create;
    head_bucket(HeadBucketInput) -> HeadBucketOutput = buckets::head;
    delete_bucket(DeleteBucketInput) -> DeleteBucketOutput = buckets::delete;
    list_buckets(ListBucketsInput) -> ListBucketsOutput = buckets::list;
    get_bucket_location(GetBucketLocationInput) -> GetBucketLocationOutput = buckets::location;

    put_object(PutObjectInput) -> PutObjectOutput = put::object;
    get_object(GetObjectInput) -> GetObjectOutput = get::object;
    head_object(HeadObjectInput) -> HeadObjectOutput = get::head;
    get_object_attributes(GetObjectAttributesInput) -> GetObjectAttributesOutput = get::attributes;
    delete_object(DeleteObjectInput) -> DeleteObjectOutput = delete::object;
    delete_objects(DeleteObjectsInput) -> DeleteObjectsOutput = delete::objects;
    copy_object(CopyObjectInput) -> CopyObjectOutput = copy::object;

    list_objects(ListObjectsInput) -> ListObjectsOutput = list::objects;
    list_objects_v2(ListObjectsV2Input) -> ListObjectsV2Output = list::objects_v2;
    list_object_versions(ListObjectVersionsInput) -> ListObjectVersionsOutput = list::versions;

    create_multipart_upload(CreateMultipartUploadInput) -> CreateMultipartUploadOutput = multipart::create;
    upload_part(UploadPartInput) -> UploadPartOutput = multipart::part;
    upload_part_copy(UploadPartCopyInput) -> UploadPartCopyOutput = multipart::part_copy;
    complete_multipart_upload(CompleteMultipartUploadInput) -> CompleteMultipartUploadOutput = complete::upload;
    abort_multipart_upload(AbortMultipartUploadInput) -> AbortMultipartUploadOutput = multipart::abort;
    list_parts(ListPartsInput) -> ListPartsOutput = uploads::list_parts;
    list_multipart_uploads(ListMultipartUploadsInput) -> ListMultipartUploadsOutput = uploads::list_uploads;

    get_object_tagging(GetObjectTaggingInput) -> GetObjectTaggingOutput = tagging::get;
    put_object_tagging(PutObjectTaggingInput) -> PutObjectTaggingOutput = tagging::put;
    delete_object_tagging(DeleteObjectTaggingInput) -> DeleteObjectTaggingOutput = tagging::delete;
    get_bucket_tagging(GetBucketTaggingInput) -> GetBucketTaggingOutput = configurations::get_tagging;
    put_bucket_tagging(PutBucketTaggingInput) -> PutBucketTaggingOutput = configurations::put_tagging;
    delete_bucket_tagging(DeleteBucketTaggingInput) -> DeleteBucketTaggingOutput = configurations::delete_tagging;

    get_bucket_versioning(GetBucketVersioningInput) -> GetBucketVersioningOutput = configurations::get_versioning;
    put_bucket_versioning(PutBucketVersioningInput) -> PutBucketVersioningOutput = configurations::put_versioning;

    get_bucket_cors(GetBucketCorsInput) -> GetBucketCorsOutput = configurations::get_cors;
    put_bucket_cors(PutBucketCorsInput) -> PutBucketCorsOutput = configurations::put_cors;
    delete_bucket_cors(DeleteBucketCorsInput) -> DeleteBucketCorsOutput = configurations::delete_cors;
    get_bucket_lifecycle_configuration(GetBucketLifecycleConfigurationInput) -> GetBucketLifecycleConfigurationOutput = configurations::get_lifecycle;
    put_bucket_lifecycle_configuration(PutBucketLifecycleConfigurationInput) -> PutBucketLifecycleConfigurationOutput = configurations::put_lifecycle;
    delete_bucket_lifecycle(DeleteBucketLifecycleInput) -> DeleteBucketLifecycleOutput = configurations::delete_lifecycle;
    get_bucket_encryption(GetBucketEncryptionInput) -> GetBucketEncryptionOutput = configurations::get_encryption;
    put_bucket_encryption(PutBucketEncryptionInput) -> PutBucketEncryptionOutput = configurations::put_encryption;
    delete_bucket_encryption(DeleteBucketEncryptionInput) -> DeleteBucketEncryptionOutput = configurations::delete_encryption;
    get_bucket_website(GetBucketWebsiteInput) -> GetBucketWebsiteOutput = configurations::get_website;
    get_bucket_logging(GetBucketLoggingInput) -> GetBucketLoggingOutput = configurations::get_logging;
    put_bucket_logging(PutBucketLoggingInput) -> PutBucketLoggingOutput = configurations::put_logging;
    get_bucket_request_payment(GetBucketRequestPaymentInput) -> GetBucketRequestPaymentOutput = configurations::get_request_payment;
    put_bucket_request_payment(PutBucketRequestPaymentInput) -> PutBucketRequestPaymentOutput = configurations::put_request_payment;
    get_bucket_accelerate_configuration(GetBucketAccelerateConfigurationInput) -> GetBucketAccelerateConfigurationOutput = configurations::get_accelerate;
    get_bucket_replication(GetBucketReplicationInput) -> GetBucketReplicationOutput = configurations::get_replication;
    get_object_lock_configuration(GetObjectLockConfigurationInput) -> GetObjectLockConfigurationOutput = configurations::get_object_lock;

    get_bucket_notification_configuration(GetBucketNotificationConfigurationInput) -> GetBucketNotificationConfigurationOutput = notification::get;
    put_bucket_notification_configuration(PutBucketNotificationConfigurationInput) -> PutBucketNotificationConfigurationOutput = notification::put;

    get_bucket_policy(GetBucketPolicyInput) -> GetBucketPolicyOutput = permissions::get_policy;
    put_bucket_policy(PutBucketPolicyInput) -> PutBucketPolicyOutput = permissions::put_policy;
    delete_bucket_policy(DeleteBucketPolicyInput) -> DeleteBucketPolicyOutput = permissions::delete_policy;
    get_bucket_policy_status(GetBucketPolicyStatusInput) -> GetBucketPolicyStatusOutput = permissions::policy_status;
    get_public_access_block(GetPublicAccessBlockInput) -> GetPublicAccessBlockOutput = permissions::get_block;
    put_public_access_block(PutPublicAccessBlockInput) -> PutPublicAccessBlockOutput = permissions::put_block;
    delete_public_access_block(DeletePublicAccessBlockInput) -> DeletePublicAccessBlockOutput = permissions::delete_block;
    get_bucket_ownership_controls(GetBucketOwnershipControlsInput) -> GetBucketOwnershipControlsOutput = permissions::get_ownership;
    put_bucket_ownership_controls(PutBucketOwnershipControlsInput) -> PutBucketOwnershipControlsOutput = permissions::put_ownership;
    delete_bucket_ownership_controls(DeleteBucketOwnershipControlsInput) -> DeleteBucketOwnershipControlsOutput = permissions::delete_ownership;
    get_bucket_acl(GetBucketAclInput) -> GetBucketAclOutput = permissions::get_bucket_acl;
    put_bucket_acl(PutBucketAclInput) -> PutBucketAclOutput = permissions::put_bucket_acl;
    get_object_acl(GetObjectAclInput) -> GetObjectAclOutput = permissions::get_object_acl;
    put_object_acl(PutObjectAclInput) -> PutObjectAclOutput = permissions::put_object_acl;
}
