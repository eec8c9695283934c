//! `CreateScheduleGroup`, `GetScheduleGroup`, `ListScheduleGroups`, `DeleteScheduleGroup`.

use std::collections::BTreeMap;

use lambent_store::{Expect, Partition, Write};
use lambent_wire::scheduler::{error, types as t};
use lambent_wire::{EpochSeconds, Error};

use super::super::record::{self, DEFAULT, Group, group_arn, group_key};
use super::super::{invalid, keeper, unavailable};
use super::{Context, after, page_size, tags, token};

/// "Schedule groups: 500" (EventBridge Scheduler User Guide, "Quotas").
const GROUPS: usize = 500;

pub(super) async fn create(
    context: &Context<'_>,
    input: t::CreateScheduleGroupInput,
) -> Result<t::CreateScheduleGroupOutput, Error> {
    let name = &input.name;
    let answer = || t::CreateScheduleGroupOutput { schedule_group_arn: Some(group_arn(context.scope, name)) };
    let _changing = context.inner.changing(name).lock().await;
    if let Some(known) = context.group(name).await? {
        // The same request once more, whose answer was lost.
        return match known.token.is_some() && known.token == input.client_token {
            true => Ok(answer()),
            false => Err(error::conflict_exception(format!("Schedule group {name} already exists."))),
        };
    }
    if context.groups().await?.len() >= GROUPS {
        return Err(error::service_quota_exceeded_exception(
            "The number of schedule groups is at its quota.",
        ));
    }
    let now = context.inner.clock.now();
    let group = Group {
        deleting: false,
        created: Some(now),
        modified: Some(now),
        tags: tags::read(input.tags)?,
        token: input.client_token.clone(),
    };
    store(context, name, &group).await?;
    Ok(answer())
}

pub(super) async fn get(
    context: &Context<'_>,
    input: t::GetScheduleGroupInput,
) -> Result<t::GetScheduleGroupOutput, Error> {
    let group = context.known_group(&input.name).await?;
    Ok(t::GetScheduleGroupOutput {
        arn: Some(group_arn(context.scope, &input.name)),
        name: Some(input.name),
        state: Some(state(&group)),
        creation_date: group.created.map(EpochSeconds),
        last_modification_date: group.modified.map(EpochSeconds),
    })
}

pub(super) async fn list(
    context: &Context<'_>,
    input: t::ListScheduleGroupsInput,
) -> Result<t::ListScheduleGroupsOutput, Error> {
    let (after, size) = (after(input.next_token.as_deref())?, page_size(input.max_results));
    let mut groups = context.groups().await?;
    let prefix = input.name_prefix.unwrap_or_default();
    groups.retain(|name, _| name.starts_with(&prefix) && after.as_ref().is_none_or(|after| name > after));
    let more = groups.len() > size;
    let shown: Vec<_> = groups
        .into_iter()
        .take(size)
        .map(|(name, group)| t::ScheduleGroupSummary {
            arn: Some(group_arn(context.scope, &name)),
            name: Some(name),
            state: Some(state(&group)),
            creation_date: group.created.map(EpochSeconds),
            last_modification_date: group.modified.map(EpochSeconds),
        })
        .collect();
    let last = shown.last().and_then(|group| group.name.as_deref()).filter(|_| more).map(token);
    Ok(t::ListScheduleGroupsOutput { next_token: last, schedule_groups: Some(shown) })
}

/// Its schedules go first, a few at a time; meanwhile it is shown as being deleted.
pub(super) async fn delete(
    context: &Context<'_>,
    input: t::DeleteScheduleGroupInput,
) -> Result<t::DeleteScheduleGroupOutput, Error> {
    let name = &input.name;
    if name == DEFAULT {
        return Err(invalid("The default schedule group cannot be deleted."));
    }
    let _changing = context.inner.changing(name).lock().await;
    let mut group = context.known_group(name).await?;
    if group.deleting {
        return Err(error::conflict_exception(format!("Schedule group {name} is being deleted.")));
    }
    let now = context.inner.clock.now();
    (group.deleting, group.modified) = (true, Some(now));
    let put = Write::put(group_key(context.scope, name), Expect::Any, &group);
    let writes =
        vec![put.map_err(|error| unavailable(&error))?, keeper::begin_deletion(context.scope, name, now)];
    context.inner.commit(writes).await?;
    Ok(t::DeleteScheduleGroupOutput {})
}

fn state(group: &Group) -> t::ScheduleGroupState {
    if group.deleting { t::ScheduleGroupState::Deleting } else { t::ScheduleGroupState::Active }
}

fn default_group() -> Group {
    Group { deleting: false, created: None, modified: None, tags: BTreeMap::new(), token: None }
}

pub(super) async fn store(context: &Context<'_>, name: &str, group: &Group) -> Result<(), Error> {
    let write = Write::put(group_key(context.scope, name), Expect::Any, group);
    context.inner.commit(vec![write.map_err(|error| unavailable(&error))?]).await
}

impl Context<'_> {
    async fn group(&self, name: &str) -> Result<Option<Group>, Error> {
        let record = self.inner.store.get(&group_key(self.scope, name)).await;
        match record.map_err(|error| unavailable(&error))? {
            Some(record) => record.decode().map(Some).map_err(|error| unavailable(&error)),
            None => Ok((name == DEFAULT).then(default_group)),
        }
    }

    /// The group of this name, which has to be there.
    pub(super) async fn known_group(&self, name: &str) -> Result<Group, Error> {
        let group = self.group(name).await?;
        group.ok_or_else(|| {
            error::resource_not_found_exception(format!("Schedule group {name} does not exist."))
        })
    }

    /// All groups, by name.
    pub(super) async fn groups(&self) -> Result<BTreeMap<String, Group>, Error> {
        let partition = Partition { kind: record::GROUP, partition: record::partition(self.scope) };
        let records = self.inner.store.list(&partition, None, GROUPS + 1).await;
        let records = records.map_err(|error| unavailable(&error))?;
        let read = records.iter().map(|record| Ok((record.key.name.clone(), record.decode()?)));
        let mut groups: BTreeMap<String, Group> =
            read.collect::<Result<_, _>>().map_err(|error| unavailable(&error))?;
        groups.entry(DEFAULT.to_owned()).or_insert_with(default_group);
        Ok(groups)
    }
}
