//! `CreateArchive`, `UpdateArchive`, `DeleteArchive`, `DescribeArchive`, `ListArchives`.

use lambent_model::Scope;
use lambent_store::queue::Extent;
use lambent_store::{Expect, Write};
use lambent_wire::events::{error, types as t};
use lambent_wire::{EpochSeconds, Error};

use super::super::names::{BusName, archive_arn};
use super::super::records::{Archive, archive_key};
use super::super::{archive, unavailable};
use super::{Context, begins, buses, page, refuse_key, rules};

/// "Archives: 100" (EventBridge User Guide, "Amazon EventBridge quotas").
const ARCHIVES: usize = 100;

pub(super) async fn create(
    context: &Context<'_>,
    input: t::CreateArchiveRequest,
) -> Result<t::CreateArchiveResponse, Error> {
    refuse_key(input.kms_key_identifier.as_ref())?;
    let pattern = pattern(input.event_pattern)?;
    let (scope, name) = (context.scope, &input.archive_name);
    let _changing = context.inner.changing.lock().await;
    let bus = buses::by_arn(context, &input.event_source_arn).await?;
    if context.inner.archive(scope, name).await?.is_some() {
        return Err(error::resource_already_exists_exception(format!("Archive {name} already exists.")));
    }
    if context.inner.archives(scope).await?.len() >= ARCHIVES {
        return Err(error::limit_exceeded_exception(
            "The requested resource exceeds the maximum number allowed.",
        ));
    }
    let now = context.inner.clock.now();
    let kept = Archive {
        source: bus.arn(),
        description: input.description,
        pattern,
        retention_days: days(input.retention_days),
        created: now,
        queue: format!("archive/{}/{}/{name}/{}", scope.account, scope.region, context.inner.new_id()),
    };
    let sweep = archive::first_sweep(scope, name, &kept.queue, now);
    store(context, &bus, name, &kept, vec![sweep]).await?;
    Ok(t::CreateArchiveResponse {
        archive_arn: Some(archive_arn(scope, name)),
        state: Some(t::ArchiveState::Enabled),
        state_reason: None,
        creation_time: Some(EpochSeconds(now)),
    })
}

pub(super) async fn update(
    context: &Context<'_>,
    input: t::UpdateArchiveRequest,
) -> Result<t::UpdateArchiveResponse, Error> {
    refuse_key(input.kms_key_identifier.as_ref())?;
    let pattern = pattern(input.event_pattern)?;
    let name = &input.archive_name;
    let _changing = context.inner.changing.lock().await;
    let mut kept = found(context, name).await?;
    if input.description.is_some() {
        kept.description = input.description;
    }
    if pattern.is_some() {
        kept.pattern = pattern;
    }
    if input.retention_days.is_some() {
        kept.retention_days = days(input.retention_days);
    }
    if let Some(bus) = BusName::from_arn(&kept.source) {
        store(context, &bus, name, &kept, Vec::new()).await?;
    }
    Ok(t::UpdateArchiveResponse {
        archive_arn: Some(archive_arn(context.scope, name)),
        state: Some(t::ArchiveState::Enabled),
        state_reason: None,
        creation_time: Some(EpochSeconds(kept.created)),
    })
}

/// Its events are removed by the next sweep.
pub(super) async fn delete(
    context: &Context<'_>,
    input: t::DeleteArchiveRequest,
) -> Result<t::DeleteArchiveResponse, Error> {
    let _changing = context.inner.changing.lock().await;
    let kept = found(context, &input.archive_name).await?;
    let key = archive_key(context.scope, &input.archive_name);
    context.inner.commit(vec![Write::Delete { key, expect: Expect::Any }]).await?;
    if let Some(bus) = BusName::from_arn(&kept.source) {
        context.inner.cache.forget(&bus);
    }
    Ok(t::DeleteArchiveResponse {})
}

pub(super) async fn describe(
    context: &Context<'_>,
    input: t::DescribeArchiveRequest,
) -> Result<t::DescribeArchiveResponse, Error> {
    let kept = found(context, &input.archive_name).await?;
    let extent = extent(context, &kept).await?;
    Ok(t::DescribeArchiveResponse {
        archive_arn: Some(archive_arn(context.scope, &input.archive_name)),
        archive_name: Some(input.archive_name),
        event_source_arn: Some(kept.source),
        description: kept.description,
        event_pattern: kept.pattern,
        state: Some(t::ArchiveState::Enabled),
        state_reason: None,
        kms_key_identifier: None,
        retention_days: i32::try_from(kept.retention_days).ok(),
        size_bytes: i64::try_from(extent.bytes).ok(),
        event_count: i64::try_from(extent.count).ok(),
        creation_time: Some(EpochSeconds(kept.created)),
    })
}

pub(super) async fn list(
    context: &Context<'_>,
    input: t::ListArchivesRequest,
) -> Result<t::ListArchivesResponse, Error> {
    let is_wanted = |name: &str, kept: &Archive| {
        begins(name, input.name_prefix.as_ref())
            && input.event_source_arn.as_ref().is_none_or(|source| *source == kept.source)
            && input.state.as_ref().is_none_or(|state| *state == t::ArchiveState::Enabled)
    };
    let kept = context.inner.archives(context.scope).await?;
    let kept = kept.into_iter().filter(|(name, kept)| is_wanted(name, kept));
    let named = kept.map(|(name, kept)| (name.clone(), (name, kept)));
    let (kept, next_token) = page(named, input.limit, input.next_token.as_deref())?;
    let mut archives = Vec::new();
    for (name, kept) in kept {
        let extent = extent(context, &kept).await?;
        archives.push(t::Archive {
            archive_name: Some(name),
            event_source_arn: Some(kept.source),
            state: Some(t::ArchiveState::Enabled),
            state_reason: None,
            retention_days: i32::try_from(kept.retention_days).ok(),
            size_bytes: i64::try_from(extent.bytes).ok(),
            event_count: i64::try_from(extent.count).ok(),
            creation_time: Some(EpochSeconds(kept.created)),
        });
    }
    Ok(t::ListArchivesResponse { archives: Some(archives), next_token })
}

/// The archive of this name.
pub(super) async fn found(context: &Context<'_>, name: &str) -> Result<Archive, Error> {
    let found = context.inner.archive(context.scope, name).await?;
    found.ok_or_else(|| error::resource_not_found_exception(format!("Archive {name} does not exist.")))
}

async fn extent(context: &Context<'_>, kept: &Archive) -> Result<Extent, Error> {
    context.inner.store.extent(&kept.queue).await.map_err(|error| unavailable(&error))
}

async fn store(
    context: &Context<'_>,
    bus: &BusName,
    name: &str,
    kept: &Archive,
    mut writes: Vec<Write>,
) -> Result<(), Error> {
    let key = archive_key(context.scope, name);
    writes.push(Write::put(key, Expect::Any, kept).map_err(|error| unavailable(&error))?);
    context.inner.commit(writes).await?;
    context.inner.cache.forget(bus);
    Ok(())
}

fn pattern(given: Option<String>) -> Result<Option<String>, Error> {
    let given = given.filter(|pattern| !pattern.is_empty());
    given.as_deref().map(rules::check_pattern).transpose()?;
    Ok(given)
}

fn days(given: Option<i32>) -> u32 {
    given.and_then(|days| u32::try_from(days).ok()).unwrap_or(0)
}

/// The archive that a replay names by its ARN.
pub(super) async fn by_arn(context: &Context<'_>, arn: &str) -> Result<Archive, Error> {
    let scope: &Scope = context.scope;
    match super::super::names::archive_of(scope, arn) {
        Some(name) => found(context, &name).await,
        None => Err(super::super::invalid(format!(
            "Parameter EventSourceArn is not valid. Reason: {arn} is no archive of this account and region."
        ))),
    }
}
