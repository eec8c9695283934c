//! The entry: one call in, one answer out.

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use lambent_identity::Principal;
use lambent_model::Scope;
use lambent_wire::sns::{SERVICE, error, op};
use lambent_wire::{Call, Error, Matched, encode};

use super::names::TopicArn;
use super::record::Topic;
use super::{Sns, policy};

/// Who calls, and from where.
pub(super) struct Context<'a> {
    pub(super) principal: &'a Principal,
    /// The caller's account and region.
    pub(super) scope: &'a Scope,
    /// `X-Amzn-Trace-Id`.
    pub(super) trace_id: Option<&'a str>,
}

impl Sns {
    /// Answers a request of the SNS API, for which the service's table of operations has found `matched`. Authentication
    /// is behind the caller.
    pub async fn call(
        &self,
        matched: &Matched,
        scope: &Scope,
        principal: &Principal,
        request: Request<Bytes>,
        request_id: &str,
    ) -> Response<Bytes> {
        let (parts, body) = request.into_parts();
        let trace_id = parts.headers.get("x-amzn-trace-id").and_then(|value| value.to_str().ok());
        let context = Context { principal, scope, trace_id };
        let call = Pending { matched, parts: &parts, body, request_id };
        let answered = self.dispatch(call, &context).await;
        answered.unwrap_or_else(|error| SERVICE.error_response(&error, request_id))
    }

    async fn dispatch(&self, call: Pending<'_>, context: &Context<'_>) -> Result<Response<Bytes>, Error> {
        // Each operation's handler is the method of its name.
        macro_rules! handlers {
            ($($operation:ident => $method:ident),+ $(,)?) => {
                match call.matched.operation().name {
                    $(stringify!($operation) => {
                        let input = call.input::<op::$operation>()?;
                        call.answer::<op::$operation>(&self.$method(context, input).await?)
                    })+
                    _ => Err(call.matched.operation().not_offered()),
                }
            };
        }
        handlers! {
            AddPermission => add_permission,
            ConfirmSubscription => confirm_subscription,
            CreateTopic => create_topic,
            DeleteTopic => delete_topic,
            GetDataProtectionPolicy => get_data_protection_policy,
            GetSubscriptionAttributes => get_subscription_attributes,
            GetTopicAttributes => get_topic_attributes,
            ListSubscriptions => list_subscriptions,
            ListSubscriptionsByTopic => list_subscriptions_by_topic,
            ListTagsForResource => list_tags_for_resource,
            ListTopics => list_topics,
            Publish => publish,
            PublishBatch => publish_batch,
            RemovePermission => remove_permission,
            SetSubscriptionAttributes => set_subscription_attributes,
            SetTopicAttributes => set_topic_attributes,
            Subscribe => subscribe,
            TagResource => tag_resource,
            Unsubscribe => unsubscribe,
            UntagResource => untag_resource,
        }
    }
}

/// A request whose operation is known.
struct Pending<'a> {
    matched: &'a Matched,
    parts: &'a Parts,
    body: Bytes,
    request_id: &'a str,
}

impl Pending<'_> {
    fn input<C: Call>(&self) -> Result<C::Input, Error> {
        self.matched.decode::<C>(self.parts, self.body.clone())
    }

    #[allow(clippy::unnecessary_wraps, reason = "each arm of the table has the same type")]
    fn answer<C: Call>(&self, output: &C::Output) -> Result<Response<Bytes>, Error> {
        Ok(encode::<C>(output, self.request_id))
    }
}

impl Context<'_> {
    /// Whether the topic's policy lets the caller do this.
    pub(super) fn check(&self, topic: &TopicArn, record: &Topic, action: &str) -> Result<(), Error> {
        let own = *self.principal.account() == topic.scope.account;
        let allowed = match record.attribute("Policy") {
            None => own,
            Some(policy) => policy::allows(policy, topic, self.principal, action),
        };
        if allowed {
            return Ok(());
        }
        let why = if own { "with an explicit deny in" } else { "because nothing allows it in" };
        Err(error::authorization_error_exception(format!(
            "User: {} is not authorized to perform: SNS:{action} on resource: {topic} {why} a resource-based policy",
            self.principal
        )))
    }

    /// Whether the caller is of the topic's account, for what is its owner's alone.
    pub(super) fn check_owner(&self, topic: &TopicArn, action: &str) -> Result<(), Error> {
        if *self.principal.account() == topic.scope.account {
            return Ok(());
        }
        Err(error::authorization_error_exception(format!(
            "User: {} is not authorized to perform: SNS:{action} on resource: {topic}",
            self.principal
        )))
    }
}
