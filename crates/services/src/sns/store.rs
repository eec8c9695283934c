//! How topics and subscriptions are read and changed.

use std::sync::Arc;

use lambent_model::Scope;
use lambent_store::{Error as StoreError, Expect, Key, Record, Write};
use lambent_wire::Error;
use lambent_wire::sns::error;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Sns;
use super::hot::{Hot, Kept};
use super::names::{SubscriptionArn, TopicArn};
use super::record::{State, Subscription, Topic, beginning, subscription_key, subscriptions, topic_key};

/// How many records one read of a list takes; the rest follows.
const CHUNK: usize = 500;

/// The store's failure: the server's fault, worded for its operator.
pub(super) fn failure(cause: StoreError) -> Error {
    error::internal_error_exception(cause.to_string())
}

pub(super) fn put<T: Serialize>(key: Key, expect: Expect, value: &T) -> Result<Write, Error> {
    Write::put(key, expect, value).map_err(failure)
}

pub(super) fn decode<T: DeserializeOwned>(record: &Record) -> Result<T, Error> {
    record.decode().map_err(failure)
}

pub(super) fn no_topic() -> Error {
    error::not_found_exception("Topic does not exist")
}

pub(super) fn no_subscription() -> Error {
    error::not_found_exception("Subscription does not exist")
}

impl Sns {
    /// A record with its version.
    pub(super) async fn read<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<(T, u64)>, Error> {
        let record = self.inner.store.get(key).await.map_err(failure)?;
        record.map(|record| Ok((decode(&record)?, record.version))).transpose()
    }

    /// A topic that has to exist, with all its subscriptions.
    pub(super) async fn hot(&self, topic: &TopicArn) -> Result<Arc<Hot>, Error> {
        let began = match self.inner.cache.get(topic) {
            Ok(hot) => return Ok(hot),
            Err(began) => began,
        };
        let (record, version) = self.read::<Topic>(&topic_key(topic)).await?.ok_or_else(no_topic)?;
        let hot = Arc::new(Hot::new(record, version, self.subscriptions_of(topic).await?));
        self.inner.cache.keep(topic, began, &hot);
        Ok(hot)
    }

    async fn subscriptions_of(&self, topic: &TopicArn) -> Result<Vec<Kept>, Error> {
        let (partition, beginning) = (subscriptions(&topic.scope), beginning(topic));
        let (mut all, mut after) = (Vec::new(), beginning.clone());
        loop {
            let records = self.inner.store.list(&partition, Some(&after), CHUNK).await.map_err(failure)?;
            for record in &records {
                let Some(id) = record.key.name.strip_prefix(&beginning) else { return Ok(all) };
                let value: Subscription = decode(record)?;
                if value.state != State::Ended {
                    all.push(Kept { id: id.to_owned(), value });
                }
            }
            match records.last() {
                Some(last) if records.len() == CHUNK => after = last.key.name.clone(),
                _ => return Ok(all),
            }
        }
    }

    /// A subscription that has to exist.
    pub(super) async fn subscription(&self, arn: &SubscriptionArn) -> Result<(Subscription, u64), Error> {
        self.read(&subscription_key(arn)).await?.ok_or_else(no_subscription)
    }

    /// Commits what changes a topic, its subscriptions, or both; false when something was not as the writes expect.
    pub(super) async fn commit(&self, topic: &TopicArn, writes: Vec<Write>) -> Result<bool, Error> {
        let committed = self.inner.store.commit(writes).await;
        self.inner.cache.forget(topic);
        match committed {
            Ok(_) => Ok(true),
            Err(StoreError::Conflict { .. }) => Ok(false),
            Err(other) => Err(failure(other)),
        }
    }

    /// Changes a topic, however often somebody else is faster.
    pub(super) async fn change_topic<T>(
        &self,
        arn: &TopicArn,
        change: impl Fn(&mut Topic) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let key = topic_key(arn);
        loop {
            let (mut topic, version) = self.read::<Topic>(&key).await?.ok_or_else(no_topic)?;
            let answer = change(&mut topic)?;
            let write = put(key.clone(), Expect::Version(version), &topic)?;
            if self.commit(arn, vec![write]).await? {
                return Ok(answer);
            }
        }
    }
}

/// What is kept beside the subscriptions for owners of another account than their topics', by that account.
pub(super) fn elsewhere(owner: &lambent_model::AccountId, arn: &SubscriptionArn) -> Key {
    let scope = Scope { account: owner.clone(), region: arn.topic.scope.region.clone() };
    Key { name: arn.to_string(), ..elsewhere_of(&scope) }
}

/// The same without a name: where all of an account's are.
pub(super) fn elsewhere_of(scope: &Scope) -> Key {
    Key {
        kind: "sns-elsewhere",
        partition: format!("{}/{}", scope.account, scope.region),
        name: String::new(),
    }
}
