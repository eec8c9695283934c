//! `GetSubscriptionAttributes` and `SetSubscriptionAttributes`.

use std::collections::BTreeMap;

use lambent_store::Expect;
use lambent_wire::sns::{error, types as t};
use lambent_wire::{Empty, Error};

use super::attributes::{Given, check_filter, set_subscription};
use super::call::Context;
use super::delivery_policy::{DeliveryPolicy, Level};
use super::names::SubscriptionArn;
use super::record::{State, Subscription, Topic, subscription_key};
use super::store::{no_subscription, put};
use super::{Sns, subscribe};

impl Sns {
    pub(super) async fn get_subscription_attributes(
        &self,
        context: &Context<'_>,
        input: t::GetSubscriptionAttributesInput,
    ) -> Result<t::GetSubscriptionAttributesResponse, Error> {
        let arn = SubscriptionArn::parse(&input.subscription_arn)?;
        let (subscription, _) = self.owned(context, &arn, "GetSubscriptionAttributes").await?;
        let hot = self.hot(&arn.topic).await?;
        Ok(t::GetSubscriptionAttributesResponse { attributes: Some(shown(&arn, &hot.topic, &subscription)) })
    }

    pub(super) async fn set_subscription_attributes(
        &self,
        context: &Context<'_>,
        input: t::SetSubscriptionAttributesInput,
    ) -> Result<Empty, Error> {
        let arn = SubscriptionArn::parse(&input.subscription_arn)?;
        let (name, value) = (input.attribute_name, input.attribute_value.unwrap_or_default());
        loop {
            let (mut subscription, version) = self.owned(context, &arn, "SetSubscriptionAttributes").await?;
            let had_filter = subscription.attributes.contains_key("FilterPolicy");
            let (attributes, protocol) = (&mut subscription.attributes, subscription.protocol);
            set_subscription(attributes, &arn.topic, protocol, &name, &value, Given::Later)?;
            check_filter(attributes, Given::Later)?;
            if !had_filter && attributes.contains_key("FilterPolicy") {
                subscribe::check_filters(&*self.hot(&arn.topic).await?)?;
            }
            let write = put(subscription_key(&arn), Expect::Version(version), &subscription)?;
            if self.commit(&arn.topic, vec![write]).await? {
                return Ok(Empty {});
            }
        }
    }

    /// A subscription of the caller's, or to a topic of the caller's.
    async fn owned(
        &self,
        context: &Context<'_>,
        arn: &SubscriptionArn,
        action: &str,
    ) -> Result<(Subscription, u64), Error> {
        let (subscription, version) = self.subscription(arn).await?;
        if subscription.state == State::Ended {
            return Err(no_subscription());
        }
        let account = context.principal.account();
        if subscription.owner != *account && arn.topic.scope.account != *account {
            return Err(error::authorization_error_exception(format!(
                "User: {} is not authorized to perform: SNS:{action} on resource: {arn}",
                context.principal
            )));
        }
        Ok((subscription, version))
    }
}

/// What counts for deliveries to a subscription.
pub(super) fn effective(topic: &Topic, subscription: &Subscription) -> DeliveryPolicy {
    let parse = |text: Option<&str>, level| text.and_then(|text| DeliveryPolicy::parse(text, level).ok());
    let of_topic = parse(topic.attribute("DeliveryPolicy"), Level::Topic);
    let own = parse(subscription.attribute("DeliveryPolicy"), Level::Subscription);
    DeliveryPolicy::effective(of_topic.as_ref(), own.as_ref())
}

fn shown(arn: &SubscriptionArn, topic: &Topic, subscription: &Subscription) -> BTreeMap<String, String> {
    let mut shown = subscription.attributes.clone();
    shown.entry("RawMessageDelivery".into()).or_insert_with(|| "false".into());
    if shown.contains_key("FilterPolicy") {
        shown.entry("FilterPolicyScope".into()).or_insert_with(|| "MessageAttributes".into());
    }
    let facts = [
        ("SubscriptionArn", arn.to_string()),
        ("TopicArn", arn.topic.to_string()),
        ("Protocol", subscription.protocol.as_str().to_owned()),
        ("Endpoint", subscription.endpoint.clone()),
        ("Owner", subscription.owner.to_string()),
        ("SubscriptionPrincipal", subscription.principal.clone()),
        ("PendingConfirmation", subscription.is_pending().to_string()),
        ("ConfirmationWasAuthenticated", subscription.authenticated.to_string()),
    ];
    shown.extend(facts.map(|(name, value)| (name.to_owned(), value)));
    if subscription.protocol.is_http() {
        let effective = effective(topic, subscription).shown(Level::Subscription);
        shown.insert("EffectiveDeliveryPolicy".into(), effective);
    }
    shown
}
