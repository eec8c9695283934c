//! `Subscribe` and `Unsubscribe`.

use std::collections::BTreeMap;

use lambent_store::{Expect, Write};
use lambent_wire::sns::{error, types as t};
use lambent_wire::{Empty, Error};

use super::Sns;
use super::attributes::{Given, check_filter, set_subscription};
use super::call::Context;
use super::endpoint::{self, Consent};
use super::hot::Hot;
use super::names::{SubscriptionArn, TopicArn, invalid};
use super::record::{Protocol, State, Subscription, subscription_key, topic_key};
use super::store::{elsewhere, put};

/// What a subscription that nobody has confirmed yet is called.
const PENDING: &str = "pending confirmation";

/// Subscriptions of a topic; AWS has a hundred of a FIFO topic and millions of others. All of them are in memory while
/// the topic is published to, and each is a delivery of its own in the publisher's commit.
const SUBSCRIPTIONS: usize = 10_000;
const FIFO_SUBSCRIPTIONS: usize = 100;

/// "By default, you can have up to 200 filter policies per topic."
const FILTER_POLICIES: usize = 200;

impl Sns {
    pub(super) async fn subscribe(
        &self,
        context: &Context<'_>,
        input: t::SubscribeInput,
    ) -> Result<t::SubscribeResponse, Error> {
        let topic = TopicArn::parse("TopicArn", &input.topic_arn)?;
        let protocol = endpoint::protocol(&input.protocol)?;
        let endpoint = input.endpoint.unwrap_or_default();
        let consent = endpoint::check(&topic, protocol, &endpoint, context.principal.account())?;
        if !protocol.is_http()
            && let Some(reason) = self.inner.calls.not_reachable(&endpoint)
        {
            return Err(invalid("Endpoint", &reason));
        }
        let mut attributes = BTreeMap::new();
        for (name, value) in input.attributes.iter().flatten() {
            set_subscription(&mut attributes, &topic, protocol, name, value, Given::First)?;
        }
        check_filter(&attributes, Given::First)?;
        let asked = Asked { protocol, endpoint, attributes, consent };
        let (arn, pending) = loop {
            let hot = self.hot(&topic).await?;
            context.check(&topic, &hot.topic, "Subscribe")?;
            if let Some(found) = self.subscribe_once(context, &topic, &hot, &asked).await? {
                break found;
            }
        };
        let whole = !pending || input.return_subscription_arn == Some(true);
        let subscription_arn = Some(if whole { arn.to_string() } else { PENDING.to_owned() });
        Ok(t::SubscribeResponse { subscription_arn })
    }

    /// The subscription and whether it is yet to be confirmed; `None` when the topic has changed meanwhile.
    async fn subscribe_once(
        &self,
        context: &Context<'_>,
        topic: &TopicArn,
        hot: &Hot,
        asked: &Asked,
    ) -> Result<Option<(SubscriptionArn, bool)>, Error> {
        let arn = |id: &str| SubscriptionArn { topic: topic.clone(), id: id.to_owned() };
        let is_it = |one: &Subscription| one.protocol == asked.protocol && one.endpoint == asked.endpoint;
        if let Some(known) = hot.subscriptions.iter().find(|kept| is_it(&kept.value)) {
            check_same(&known.value, &asked.attributes)?;
            let pending = known.value.is_pending();
            if pending {
                // "If the endpoint … was already subscribed … and is pending": it is asked once more.
                self.ask(topic, &hot.topic, &arn(&known.id), &known.value).await?;
            }
            return Ok(Some((arn(&known.id), pending)));
        }
        check_room(topic, hot, asked.attributes.contains_key("FilterPolicy"))?;
        let id = self.id();
        let pending = asked.consent == Consent::Asked;
        let subscription = Subscription {
            protocol: asked.protocol,
            endpoint: asked.endpoint.clone(),
            owner: context.principal.account().clone(),
            principal: context.principal.to_string(),
            created: self.inner.clock.now(),
            attributes: asked.attributes.clone(),
            state: if pending { State::Pending } else { State::Confirmed },
            token: pending.then(|| self.token(&id)),
            authenticated: !pending,
            guarded: false,
        };
        let arn = arn(&id);
        let mut writes = vec![
            // Unchanged, and at this version alone: two of the same endpoint at once, or one of a topic that goes away at
            // this moment, are not both right.
            put(topic_key(topic), Expect::Version(hot.version), &hot.topic)?,
            put(subscription_key(&arn), Expect::Absent, &subscription)?,
        ];
        if subscription.owner != topic.scope.account {
            writes.push(put(elsewhere(&subscription.owner, &arn), Expect::Any, &())?);
        }
        if pending {
            writes.extend(self.confirmation(topic, &hot.topic, &arn, &subscription).await?);
        }
        Ok(self.commit(topic, writes).await?.then_some((arn, pending)))
    }

    pub(super) async fn unsubscribe(
        &self,
        context: &Context<'_>,
        input: t::UnsubscribeInput,
    ) -> Result<Empty, Error> {
        let arn = SubscriptionArn::parse(&input.subscription_arn)?;
        let account = context.principal.account();
        let may = |subscription: &Subscription| {
            if subscription.owner == *account || arn.topic.scope.account == *account {
                return Ok(());
            }
            Err(error::authorization_error_exception(format!(
                "User: {} is not authorized to perform: SNS:Unsubscribe on resource: {arn}",
                context.principal
            )))
        };
        self.end(&arn, may).await?;
        Ok(Empty {})
    }

    /// Ends a subscription for good. One that is not there has ended.
    async fn end(
        &self,
        arn: &SubscriptionArn,
        may: impl Fn(&Subscription) -> Result<(), Error>,
    ) -> Result<(), Error> {
        loop {
            let key = subscription_key(arn);
            let Some((subscription, version)) = self.read::<Subscription>(&key).await? else { return Ok(()) };
            may(&subscription)?;
            let mut writes = vec![Write::Delete { key, expect: Expect::Version(version) }];
            if subscription.owner != arn.topic.scope.account {
                writes.push(Write::Delete { key: elsewhere(&subscription.owner, arn), expect: Expect::Any });
            }
            writes.extend(self.counted(arn).await?);
            if self.commit(&arn.topic, writes).await? {
                return Ok(());
            }
        }
    }

    /// The write that counts an ended subscription in its topic, if that is still there.
    pub(super) async fn counted(&self, arn: &SubscriptionArn) -> Result<Option<Write>, Error> {
        let key = topic_key(&arn.topic);
        let Some((mut topic, version)) = self.read::<super::record::Topic>(&key).await? else {
            return Ok(None);
        };
        topic.subscriptions_deleted += 1;
        put(key, Expect::Version(version), &topic).map(Some)
    }
}

/// What is to be subscribed, checked.
struct Asked {
    protocol: Protocol,
    endpoint: String,
    attributes: BTreeMap<String, String>,
    consent: Consent,
}

/// Subscribing what is subscribed answers its ARN, if what is asked for is what it has.
fn check_same(known: &Subscription, asked: &BTreeMap<String, String>) -> Result<(), Error> {
    match asked.iter().any(|(name, value)| known.attributes.get(name) != Some(value)) {
        true => Err(invalid("Attributes", "Subscription already exists with different attributes")),
        false => Ok(()),
    }
}

fn check_room(topic: &TopicArn, hot: &Hot, filtered: bool) -> Result<(), Error> {
    let most = if topic.is_fifo() { FIFO_SUBSCRIPTIONS } else { SUBSCRIPTIONS };
    if hot.subscriptions.len() >= most {
        let text = format!("the topic has {most} subscriptions, which is the limit");
        return Err(error::subscription_limit_exceeded_exception(text));
    }
    if filtered { check_filters(hot) } else { Ok(()) }
}

/// Whether the topic may have one more filter policy.
pub(super) fn check_filters(hot: &Hot) -> Result<(), Error> {
    let filtered = |kept: &&super::hot::Kept| kept.value.attributes.contains_key("FilterPolicy");
    match hot.subscriptions.iter().filter(filtered).count() < FILTER_POLICIES {
        true => Ok(()),
        false => Err(error::filter_policy_limit_exceeded_exception(format!(
            "the topic has {FILTER_POLICIES} filter policies, which is the limit"
        ))),
    }
}
