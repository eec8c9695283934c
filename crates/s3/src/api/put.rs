//! PutObject.

use s3s::dto::*;
use s3s::{S3Request, S3Result};

use super::permissions::check_canned;
use super::words::{
    asker, etag, expect_owner, expiration, headers_of, set_sum, sum_type, trailers, verified_trailers,
    version,
};
use crate::asker::Asker;
use crate::engine::Engine;
use crate::event::{Event, Kind};
use crate::records::{Headers, Object};
use crate::sums::Claims;
use crate::versions::Change;
use crate::write::Written;
use crate::{access, refuse, tags};

pub(super) async fn object(engine: &Engine, request: S3Request<PutObjectInput>) -> S3Result<PutObjectOutput> {
    let (asker, claims) = (asker(&request), Claims::of(&request.headers)?);
    let (own, theirs) = (trailers(&request), verified_trailers(&request));
    let kind = if request.method == http::Method::POST { Kind::Post } else { Kind::Put };
    let mut input = request.input;
    let bucket = engine.bucket(&input.bucket)?;
    expect_owner(&bucket, input.expected_bucket_owner.as_ref())?;
    check_key(&input.key)?;
    if kind == Kind::Post {
        if input.key.contains("${filename}") {
            return Err(refuse::not_offered("${filename} in the key of a form; name the key itself"));
        }
        // A form names its key inside, which nobody has looked at yet.
        access::may(&asker, &bucket, "s3:PutObject", Some(&input.key))?;
    }
    unencrypted(input.sse_customer_algorithm.is_some())?;
    if input.write_offset_bytes.is_some() {
        return Err(refuse::not_offered("appending to objects, which is of directory buckets"));
    }
    check_canned(input.acl.as_ref().map(ObjectCannedACL::as_str))?;
    unlocked(input.object_lock_mode.is_some() || input.object_lock_legal_hold_status.is_some())?;
    let headers = headers_of!(input);
    let tags = tags::of_header(input.tagging.as_deref())?;
    let written = engine.write(input.body.take(), claims, own.as_ref(), theirs.as_ref(), true).await?;

    let new = New { asker: &asker, kind, headers, tags };
    // A condition on what is there is worth a look.
    if input.if_match.is_none()
        && let Some(again) = written.again()
    {
        let change = engine.change_by_guess(&input.bucket, &input.key).await?;
        if let Some(output) = install(engine, change, &input, &new, again).await? {
            return Ok(output);
        }
    }
    let change = engine.change(&input.bucket, &input.key).await?;
    let installed = install(engine, change, &input, &new, written).await?;
    Ok(installed.expect("what was looked for is not guessed"))
}

/// What becomes of the request beside its bytes.
struct New<'a> {
    asker: &'a Asker,
    kind: Kind,
    headers: Headers,
    tags: Vec<(String, String)>,
}

/// Makes what was written the key's object; `None` where a guess was wrong.
async fn install(
    engine: &Engine,
    mut change: Change<'_>,
    input: &PutObjectInput,
    new: &New<'_>,
    written: Written,
) -> S3Result<Option<PutObjectOutput>> {
    change.require(input.if_match.as_ref(), input.if_none_match.as_ref())?;
    let (sequence, id) = change.next();
    let object = Object {
        sequence,
        version: id,
        modified: engine.clock.now(),
        is_marker: false,
        size: written.size,
        etag: written.etag.clone(),
        sum: Some(written.sum.clone()),
        headers: new.headers.clone(),
        tags: new.tags.clone(),
        content: written.content.clone(),
    };
    change.install(&object).await?;
    let expiration = expiration(&change.bucket, &input.key, &object)?;
    let event = Event::of(new.kind, &change.bucket, &input.key, &object);
    let version = version(&change.bucket, &object);
    if !change.commit_guess(vec![written], engine.notices(&event, new.asker)?).await? {
        return Ok(None);
    }

    let mut output = PutObjectOutput {
        e_tag: Some(etag(&object.etag)),
        version_id: version,
        checksum_type: object.sum.as_ref().map(sum_type),
        server_side_encryption: Some(ServerSideEncryption::from_static(ServerSideEncryption::AES256)),
        expiration,
        ..Default::default()
    };
    set_sum!(output, &object.sum);
    Ok(Some(output))
}

/// Locks that nobody would keep to are refused.
pub(super) fn unlocked(is_asked: bool) -> S3Result<()> {
    if is_asked { Err(refuse::not_offered("object lock")) } else { Ok(()) }
}

/// Keys have up to 1,024 bytes; a NUL among them could not be listed.
pub(super) fn check_key(key: &str) -> S3Result<()> {
    if key.contains('\0') {
        return Err(refuse::invalid_argument("lambent does not keep keys with a NUL character"));
    }
    Ok(())
}

/// Objects are kept as they are: a client's own keys would protect nothing.
pub(super) fn unencrypted(by_customer: bool) -> S3Result<()> {
    if by_customer {
        return Err(refuse::not_offered("encryption with keys of the client (SSE-C)"));
    }
    Ok(())
}
