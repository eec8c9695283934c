//! `ListTopics`, `ListSubscriptions`, `ListSubscriptionsByTopic`: a hundred at a time.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lambent_store::Partition;
use lambent_wire::Error;
use lambent_wire::sns::types as t;

use super::Sns;
use super::call::Context;
use super::names::{SubscriptionArn, TopicArn, invalid};
use super::record::{State, Subscription, subscription_key, subscriptions, topics};
use super::store::{decode, elsewhere_of, failure};

/// "Each call returns a limited list of subscriptions, up to 100", and of topics.
const PAGE: usize = 100;

/// What a token begins with that goes on among the subscriptions to other accounts' topics.
const ELSEWHERE: char = '>';

/// A name, as a token that clients do not read.
fn token(name: &str) -> String {
    URL_SAFE_NO_PAD.encode(name)
}

fn named(token: Option<String>) -> Result<Option<String>, Error> {
    let Some(token) = token.filter(|token| !token.is_empty()) else { return Ok(None) };
    let name = URL_SAFE_NO_PAD.decode(token).ok().and_then(|name| String::from_utf8(name).ok());
    name.map(Some).ok_or_else(|| invalid("NextToken", ""))
}

fn shown(arn: &SubscriptionArn, subscription: Subscription) -> t::Subscription {
    let pending = subscription.is_pending();
    t::Subscription {
        subscription_arn: Some(if pending { "PendingConfirmation".to_owned() } else { arn.to_string() }),
        owner: Some(subscription.owner.to_string()),
        protocol: Some(subscription.protocol.as_str().to_owned()),
        endpoint: Some(super::endpoint::shown(&subscription.endpoint)),
        topic_arn: Some(arn.topic.to_string()),
    }
}

impl Sns {
    pub(super) async fn list_topics(
        &self,
        context: &Context<'_>,
        input: t::ListTopicsInput,
    ) -> Result<t::ListTopicsResponse, Error> {
        let after = named(input.next_token)?;
        let partition = topics(context.scope);
        let list = self.inner.store.list(&partition, after.as_deref(), PAGE + 1);
        let mut records = list.await.map_err(failure)?;
        let more = records.len() > PAGE;
        records.truncate(PAGE);
        let next_token = records.last().filter(|_| more).map(|last| token(&last.key.name));
        let arn = |name: String| TopicArn { scope: context.scope.clone(), name }.to_string();
        let topics = records.into_iter().map(|record| t::Topic { topic_arn: Some(arn(record.key.name)) });
        Ok(t::ListTopicsResponse { topics: Some(topics.collect()), next_token })
    }

    pub(super) async fn list_subscriptions_by_topic(
        &self,
        context: &Context<'_>,
        input: t::ListSubscriptionsByTopicInput,
    ) -> Result<t::ListSubscriptionsByTopicResponse, Error> {
        let topic = TopicArn::parse("TopicArn", &input.topic_arn)?;
        let after = named(input.next_token)?.unwrap_or_default();
        let hot = self.hot(&topic).await?;
        context.check(&topic, &hot.topic, "ListSubscriptionsByTopic")?;
        let from = hot.subscriptions.partition_point(|kept| kept.id <= after);
        let page = &hot.subscriptions[from..hot.subscriptions.len().min(from + PAGE)];
        let more = from + page.len() < hot.subscriptions.len();
        let arn = |id: &str| SubscriptionArn { topic: topic.clone(), id: id.to_owned() };
        Ok(t::ListSubscriptionsByTopicResponse {
            subscriptions: Some(page.iter().map(|kept| shown(&arn(&kept.id), kept.value.clone())).collect()),
            next_token: page.last().filter(|_| more).map(|last| token(&last.id)),
        })
    }

    /// Those of the caller's account: first to its own topics, then to others'.
    pub(super) async fn list_subscriptions(
        &self,
        context: &Context<'_>,
        input: t::ListSubscriptionsInput,
    ) -> Result<t::ListSubscriptionsResponse, Error> {
        let after = named(input.next_token)?.unwrap_or_default();
        let mut found = Vec::new();
        let next = match after.strip_prefix(ELSEWHERE) {
            None => self.list_here(context, &after, &mut found).await?,
            Some(after) => self.list_elsewhere(context, after, &mut found).await?,
        };
        let next_token = next.as_deref().map(token);
        Ok(t::ListSubscriptionsResponse { subscriptions: Some(found), next_token })
    }

    /// Where to go on; `None` at the end.
    async fn list_here(
        &self,
        context: &Context<'_>,
        after: &str,
        found: &mut Vec<t::Subscription>,
    ) -> Result<Option<String>, Error> {
        let partition = subscriptions(context.scope);
        let records = self.inner.store.list(&partition, Some(after), PAGE).await.map_err(failure)?;
        for record in &records {
            let (name, id) = record.key.name.rsplit_once(':').unwrap_or_default();
            let topic = TopicArn { scope: context.scope.clone(), name: name.to_owned() };
            let subscription: Subscription = decode(record)?;
            // Another account's to this account's topic is that one's to list.
            if subscription.owner == context.scope.account && subscription.state != State::Ended {
                found.push(shown(&SubscriptionArn { topic, id: id.to_owned() }, subscription));
            }
        }
        match records.last() {
            Some(last) if records.len() == PAGE => Ok(Some(last.key.name.clone())),
            _ if found.is_empty() => self.list_elsewhere(context, "", found).await,
            _ => Ok(self.any_elsewhere(context).await?.then(|| ELSEWHERE.to_string())),
        }
    }

    async fn any_elsewhere(&self, context: &Context<'_>) -> Result<bool, Error> {
        let partition = elsewhere_of(context.scope).partition();
        Ok(!self.inner.store.list(&partition, None, 1).await.map_err(failure)?.is_empty())
    }

    async fn list_elsewhere(
        &self,
        context: &Context<'_>,
        after: &str,
        found: &mut Vec<t::Subscription>,
    ) -> Result<Option<String>, Error> {
        let partition: Partition = elsewhere_of(context.scope).partition();
        let records = self.inner.store.list(&partition, Some(after), PAGE).await.map_err(failure)?;
        for record in &records {
            let arn = SubscriptionArn::parse(&record.key.name)?;
            let kept = self.read::<Subscription>(&subscription_key(&arn)).await?;
            let shows = |kept: &(Subscription, u64)| kept.0.state != State::Ended;
            found.extend(kept.filter(shows).map(|(subscription, _)| shown(&arn, subscription)));
        }
        let last = records.last().filter(|_| records.len() == PAGE);
        Ok(last.map(|last| format!("{ELSEWHERE}{}", last.key.name)))
    }
}
