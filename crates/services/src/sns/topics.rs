//! Topics themselves.

use std::collections::BTreeMap;

use lambent_model::{ReadPolicyFuture, ResourcePolicies};
use lambent_store::{Expect, Write};
use lambent_wire::sns::types as t;
use lambent_wire::{Empty, Error};

use super::attributes::{Given, set_topic};
use super::call::Context;
use super::delivery_policy::{DeliveryPolicy, Level};
use super::hot::Hot;
use super::names::{SubscriptionArn, TopicArn, check_name, invalid};
use super::record::{Topic, subscription_key, topic_key};
use super::store::{elsewhere, no_topic, put};
use super::{Sns, attributes, fifo, policy, tags};

impl Sns {
    pub(super) async fn create_topic(
        &self,
        context: &Context<'_>,
        input: t::CreateTopicInput,
    ) -> Result<t::CreateTopicResponse, Error> {
        let given = input.attributes.unwrap_or_default();
        let fifo = given.get("FifoTopic").is_some_and(|value| value == "true");
        check_name(&input.name, fifo)?;
        if input.data_protection_policy.is_some_and(|policy| !policy.is_empty()) {
            return Err(invalid(
                "DataProtectionPolicy",
                "lambent does not look into messages for data: leave it out",
            ));
        }
        let topic = TopicArn { scope: context.scope.clone(), name: input.name };
        let mut attributes = BTreeMap::new();
        for (name, value) in &given {
            set_topic(&mut attributes, &topic, name, value, Given::First)?;
        }
        let tags = tags::given(Vec::new(), input.tags.unwrap_or_default())?;
        let created = self.inner.clock.now();
        let record = Topic { created, attributes, tags, subscriptions_deleted: 0 };
        let answer = t::CreateTopicResponse { topic_arn: Some(topic.to_string()) };
        loop {
            if let Some((known, _)) = self.read::<Topic>(&topic_key(&topic)).await? {
                same(&known, &record)?;
                return Ok(answer);
            }
            let write = put(topic_key(&topic), Expect::Absent, &record)?;
            if self.commit(&topic, vec![write]).await? {
                return Ok(answer);
            }
        }
    }

    /// Deleting what is not there succeeds (SNS API Reference, "DeleteTopic": "This action is idempotent").
    pub(super) async fn delete_topic(
        &self,
        context: &Context<'_>,
        input: t::DeleteTopicInput,
    ) -> Result<Empty, Error> {
        let topic = TopicArn::parse("TopicArn", &input.topic_arn)?;
        loop {
            let hot = match self.hot(&topic).await {
                Ok(hot) => hot,
                Err(error) if error.code == no_topic().code => return Ok(Empty {}),
                Err(error) => return Err(error),
            };
            context.check(&topic, &hot.topic, "DeleteTopic")?;
            let mut writes = vec![
                Write::Delete { key: topic_key(&topic), expect: Expect::Version(hot.version) },
                Write::Delete { key: fifo::sequence_key(&topic), expect: Expect::Any },
            ];
            for kept in &hot.subscriptions {
                let arn = SubscriptionArn { topic: topic.clone(), id: kept.id.clone() };
                writes.push(Write::Delete { key: subscription_key(&arn), expect: Expect::Any });
                if kept.value.owner != topic.scope.account {
                    writes
                        .push(Write::Delete { key: elsewhere(&kept.value.owner, &arn), expect: Expect::Any });
                }
            }
            if self.commit(&topic, writes).await? {
                self.inner.sequences.forget(&topic);
                return Ok(Empty {});
            }
        }
    }

    pub(super) async fn get_topic_attributes(
        &self,
        context: &Context<'_>,
        input: t::GetTopicAttributesInput,
    ) -> Result<t::GetTopicAttributesResponse, Error> {
        let topic = TopicArn::parse("TopicArn", &input.topic_arn)?;
        let hot = self.hot(&topic).await?;
        context.check(&topic, &hot.topic, "GetTopicAttributes")?;
        Ok(t::GetTopicAttributesResponse { attributes: Some(shown(&topic, &hot)) })
    }

    pub(super) async fn set_topic_attributes(
        &self,
        context: &Context<'_>,
        input: t::SetTopicAttributesInput,
    ) -> Result<Empty, Error> {
        let topic = TopicArn::parse("TopicArn", &input.topic_arn)?;
        let (name, value) = (input.attribute_name, input.attribute_value.unwrap_or_default());
        self.change_topic(&topic, |record| {
            context.check(&topic, record, "SetTopicAttributes")?;
            set_topic(&mut record.attributes, &topic, &name, &value, Given::Later)?;
            Ok(Empty {})
        })
        .await
    }

    pub(super) async fn add_permission(
        &self,
        context: &Context<'_>,
        input: t::AddPermissionInput,
    ) -> Result<Empty, Error> {
        let topic = TopicArn::parse("TopicArn", &input.topic_arn)?;
        self.change_topic(&topic, |record| {
            context.check(&topic, record, "AddPermission")?;
            let policy = policy_of(&topic, record);
            let (accounts, actions) = (&input.aws_account_id, &input.action_name);
            let policy = policy::with_permission(&policy, &topic, &input.label, accounts, actions)?;
            record.attributes.insert("Policy".into(), policy);
            Ok(Empty {})
        })
        .await
    }

    pub(super) async fn remove_permission(
        &self,
        context: &Context<'_>,
        input: t::RemovePermissionInput,
    ) -> Result<Empty, Error> {
        let topic = TopicArn::parse("TopicArn", &input.topic_arn)?;
        self.change_topic(&topic, |record| {
            context.check(&topic, record, "RemovePermission")?;
            let policy = policy::without_permission(&policy_of(&topic, record), &input.label)?;
            record.attributes.insert("Policy".into(), policy);
            Ok(Empty {})
        })
        .await
    }

    /// No topic has one, since none is taken.
    pub(super) async fn get_data_protection_policy(
        &self,
        context: &Context<'_>,
        input: t::GetDataProtectionPolicyInput,
    ) -> Result<t::GetDataProtectionPolicyResponse, Error> {
        let topic = TopicArn::parse("ResourceArn", &input.resource_arn)?;
        let hot = self.hot(&topic).await?;
        context.check(&topic, &hot.topic, "GetDataProtectionPolicy")?;
        Ok(t::GetDataProtectionPolicyResponse { data_protection_policy: None })
    }
}

impl ResourcePolicies for Sns {
    fn policy(&self, arn: &str) -> ReadPolicyFuture {
        let (sns, arn) = (self.clone(), arn.to_owned());
        Box::pin(async move {
            let Ok(topic) = TopicArn::parse("TopicArn", &arn) else { return Ok(None) };
            // It is held in memory for whoever publishes, too.
            match sns.hot(&topic).await {
                Ok(hot) => Ok(Some(policy_of(&topic, &hot.topic))),
                Err(absent) if absent.status.is_client_error() => Ok(None),
                Err(error) => Err(error.message),
            }
        })
    }
}

/// Making a topic that is there answers its ARN, if what is asked for is what it has (SNS API Reference, "CreateTopic").
fn same(known: &Topic, asked: &Topic) -> Result<(), Error> {
    let differs = |(name, value): (&String, &String)| {
        known.attribute(name).unwrap_or_else(|| attributes::default_of_topic(name)) != value
    };
    if asked.attributes.iter().any(differs) {
        return Err(invalid("Attributes", "Topic already exists with different attributes"));
    }
    if !asked.tags.is_empty() && !tags::same(&asked.tags, &known.tags) {
        return Err(invalid("Tags", "Topic already exists with different tags"));
    }
    Ok(())
}

fn policy_of(topic: &TopicArn, record: &Topic) -> String {
    record.attribute("Policy").map_or_else(|| policy::default(topic), str::to_owned)
}

/// What `GetTopicAttributes` shows.
fn shown(topic: &TopicArn, hot: &Hot) -> BTreeMap<String, String> {
    let mut shown = hot.topic.attributes.clone();
    let pending = hot.subscriptions.iter().filter(|kept| kept.value.is_pending()).count();
    let parsed =
        hot.topic.attribute("DeliveryPolicy").and_then(|text| DeliveryPolicy::parse(text, Level::Topic).ok());
    let effective = DeliveryPolicy::effective(parsed.as_ref(), None).shown(Level::Topic);
    let defaults = [("DisplayName", String::new()), ("Policy", policy_of(topic, &hot.topic))];
    let of_fifo =
        [("ContentBasedDeduplication", "false".to_owned()), ("FifoThroughputScope", "Topic".to_owned())];
    for (name, value) in defaults.into_iter().chain(of_fifo.into_iter().filter(|_| topic.is_fifo())) {
        shown.entry(name.to_owned()).or_insert(value);
    }
    let facts = [
        ("TopicArn", topic.to_string()),
        ("Owner", topic.scope.account.to_string()),
        ("SubscriptionsPending", pending.to_string()),
        ("SubscriptionsConfirmed", (hot.subscriptions.len() - pending).to_string()),
        ("SubscriptionsDeleted", hot.topic.subscriptions_deleted.to_string()),
        ("EffectiveDeliveryPolicy", effective),
    ];
    shown.extend(facts.map(|(name, value)| (name.to_owned(), value)));
    if !topic.is_fifo() {
        shown.remove("FifoTopic");
    }
    shown
}
