//! Notification configurations: who is told, which is found out and checked when it is configured.

use lambent_model::AwsCallError;
use s3s::dto::*;
use s3s::{S3Error, S3Request, S3Result};

use super::configurations::{bucket, read};
use super::words::{asker, xml};
use crate::engine::{Engine, put as record};
use crate::notices::{self, NOTIFICATION};
use crate::records;
use crate::refuse::invalid_argument;
use crate::wishes::{self, Destination};

pub(super) async fn get(
    engine: &Engine,
    r: S3Request<GetBucketNotificationConfigurationInput>,
) -> S3Result<GetBucketNotificationConfigurationOutput> {
    let found: Option<NotificationConfiguration> =
        read(engine, &r.input.bucket, r.input.expected_bucket_owner.as_ref(), NOTIFICATION)?;
    let found = found.unwrap_or_default();
    Ok(GetBucketNotificationConfigurationOutput {
        event_bridge_configuration: found.event_bridge_configuration,
        lambda_function_configurations: found.lambda_function_configurations,
        queue_configurations: found.queue_configurations,
        topic_configurations: found.topic_configurations,
    })
}

pub(super) async fn put(
    engine: &Engine,
    r: S3Request<PutBucketNotificationConfigurationInput>,
) -> S3Result<PutBucketNotificationConfigurationOutput> {
    let asker = asker(&r);
    let input = r.input;
    let mut configuration = input.notification_configuration;
    let known = bucket(engine, &input.bucket, input.expected_bucket_owner.as_ref())?;
    name(engine, &mut configuration);
    let wishes = wishes::read(&configuration)?;
    wishes::check(&wishes, &known.region)?;
    if input.skip_destination_validation != Some(true) {
        let caller = notices::caller(&known);
        for wish in &wishes {
            let (_, action) = wish.destination.service();
            let refused = match engine.calls.not_reachable(&wish.arn) {
                Some(why) => Some(why),
                None => match engine.calls.allowed(&caller, action, &wish.arn).await {
                    Ok(()) => None,
                    Err(AwsCallError::Service { message, status: 403, .. }) => Some(message),
                    Err(error) => return Err(S3Error::internal_error(error)),
                },
            };
            if let Some(why) = refused {
                return Err(invalid_argument(format!(
                    "Unable to validate the following destination configurations: {} ({why})",
                    wish.arn
                )));
            }
        }
    }
    let text = xml::write(&configuration)?;
    let lock = engine.restructure().await;
    let mut new =
        records::Bucket::clone(&*bucket(engine, &input.bucket, input.expected_bucket_owner.as_ref())?);
    let is_empty = wishes.is_empty() && configuration.event_bridge_configuration.is_none();
    match is_empty {
        true => drop(new.configurations.remove(NOTIFICATION)),
        false => drop(new.configurations.insert(NOTIFICATION.to_owned(), text)),
    }
    let mut writes = vec![record(records::bucket_key(&new.name), &new)?];
    let told = wishes.iter().filter(|wish| wish.destination != Destination::Function);
    writes.extend(told.map(|wish| notices::test(&new, wish, &asker.request_id, engine.clock.now())));
    engine.commit(writes).await?;
    engine.keep(new);
    drop(lock);
    Ok(PutBucketNotificationConfigurationOutput {})
}

/// Gives those an id that have none.
fn name(engine: &Engine, configuration: &mut NotificationConfiguration) {
    let ids = configuration.lambda_function_configurations.iter_mut().flatten().map(|one| &mut one.id);
    let ids = ids.chain(configuration.queue_configurations.iter_mut().flatten().map(|one| &mut one.id));
    let ids = ids.chain(configuration.topic_configurations.iter_mut().flatten().map(|one| &mut one.id));
    for id in ids.filter(|id| id.as_deref().is_none_or(str::is_empty)) {
        *id = Some(engine.files.id());
    }
}
