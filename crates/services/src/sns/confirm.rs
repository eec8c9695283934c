//! Confirmation of subscriptions: endpoints are asked, and say yes with a token.

use lambent_model::Timestamp;
use lambent_store::{Expect, Write};
use lambent_wire::Error;
use lambent_wire::sns::{error, types as t};

use super::call::Context;
use super::deliver::{Target, unavailable};
use super::envelope::Confirmation;
use super::expire::{Expiry, PATIENCE};
use super::names::{SubscriptionArn, TopicArn, invalid};
use super::record::{State, Subscription, Topic, subscription_key};
use super::store::{failure, put};
use super::{Sns, sign};

/// Random bytes of a token, behind the subscription's id.
const TOKEN: usize = 32;

impl Sns {
    /// What has to be said to confirm a subscription. It begins with the id, by which it is found.
    pub(super) fn token(&self, id: &str) -> String {
        let mut random = [0; TOKEN];
        self.inner.entropy.fill(&mut random);
        let random: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        id.replace('-', "") + &random
    }

    /// The writes that ask a new subscription's endpoint, and that remove the subscription if nobody answers.
    pub(super) async fn confirmation(
        &self,
        topic: &TopicArn,
        record: &Topic,
        arn: &SubscriptionArn,
        subscription: &Subscription,
    ) -> Result<Vec<Write>, Error> {
        let asked = self.question(topic, record, arn, subscription).await?;
        let expiry = Expiry::Subscription { arn: arn.to_string() };
        Ok(vec![asked, expiry.enqueue(subscription.created.plus(PATIENCE))])
    }

    /// Asks an endpoint once more.
    pub(super) async fn ask(
        &self,
        topic: &TopicArn,
        record: &Topic,
        arn: &SubscriptionArn,
        subscription: &Subscription,
    ) -> Result<(), Error> {
        let asked = self.question(topic, record, arn, subscription).await?;
        self.inner.store.commit(vec![asked]).await.map(drop).map_err(failure)
    }

    async fn question(
        &self,
        topic: &TopicArn,
        record: &Topic,
        arn: &SubscriptionArn,
        subscription: &Subscription,
    ) -> Result<Write, Error> {
        let (id, at) = (self.id(), self.inner.clock.now());
        let token = subscription.token.as_deref().unwrap_or_default();
        let ended = (subscription.state == State::Ended).then_some(arn);
        let confirmation = Confirmation { topic, id: &id, at, token, ended, base: &self.inner.base };
        let version = record.attribute("SignatureVersion").and_then(sign::Version::parse);
        let stamp = self.stamp(version.unwrap_or(sign::Version::One), confirmation.to_sign()).await?;
        let target = Target { topic, record, arn, subscription };
        Ok(target.notice(confirmation.kind(), &id, at, confirmation.document(&stamp)))
    }

    pub(super) async fn confirm_subscription(
        &self,
        context: &Context<'_>,
        input: t::ConfirmSubscriptionInput,
    ) -> Result<t::ConfirmSubscriptionResponse, Error> {
        // "This … is accepted only with an AWS signature", for whoever wants to keep others from unsubscribing.
        let guarded =
            input.authenticate_on_unsubscribe.is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let account = Some(context.principal.account());
        let arn = self.confirm(&input.topic_arn, &input.token, account, guarded).await?;
        Ok(t::ConfirmSubscriptionResponse { subscription_arn: Some(arn.to_string()) })
    }

    /// Confirms what a token is for, for somebody of an account or for somebody nobody knows.
    pub(super) async fn confirm(
        &self,
        topic: &str,
        token: &str,
        account: Option<&lambent_model::AccountId>,
        guarded: bool,
    ) -> Result<SubscriptionArn, Error> {
        let topic = TopicArn::parse("TopicArn", topic)?;
        let wrong = || invalid("Token", "");
        let arn = SubscriptionArn { topic: topic.clone(), id: id_of(token).ok_or_else(wrong)? };
        loop {
            let hot = self.hot(&topic).await?;
            let found = self.read::<Subscription>(&subscription_key(&arn)).await?;
            let (mut subscription, version) = found.ok_or_else(wrong)?;
            if subscription.token.as_deref() != Some(token) {
                return Err(wrong());
            }
            let same = |one: &Subscription| {
                one.protocol == subscription.protocol && one.endpoint == subscription.endpoint
            };
            match subscription.state {
                State::Confirmed => return Ok(arn),
                State::Pending => {}
                // Somebody has subscribed it anew meanwhile.
                State::Ended => {
                    if let Some(known) = hot.subscriptions.iter().find(|kept| same(&kept.value)) {
                        return Ok(SubscriptionArn { topic, id: known.id.clone() });
                    }
                }
            }
            subscription.state = State::Confirmed;
            subscription.authenticated = account.is_some();
            subscription.guarded = guarded;
            let write = put(subscription_key(&arn), Expect::Version(version), &subscription)?;
            if self.commit(&topic, vec![write]).await? {
                return Ok(arn);
            }
        }
    }

    /// Ends a subscription for somebody nobody knows, and tells its endpoint how to take that back (SNS API Reference,
    /// "Unsubscribe").
    pub(super) async fn end_unsigned(&self, arn: &str) -> Result<(), Error> {
        let arn = SubscriptionArn::parse(arn)?;
        loop {
            let key = subscription_key(&arn);
            let Some((mut subscription, version)) = self.read::<Subscription>(&key).await? else {
                return Ok(());
            };
            if subscription.state == State::Ended {
                return Ok(());
            }
            if subscription.guarded {
                return Err(error::authorization_error_exception(format!(
                    "the subscription {arn} is ended by a signed call alone, as it was confirmed with \
                     AuthenticateOnUnsubscribe"
                )));
            }
            let hot = self.hot(&arn.topic).await?;
            subscription.state = State::Ended;
            subscription.created = self.inner.clock.now();
            subscription.token = Some(self.token(&arn.id));
            let mut writes = vec![put(key, Expect::Version(version), &subscription)?];
            writes.extend(self.confirmation(&arn.topic, &hot.topic, &arn, &subscription).await?);
            writes.extend(self.counted(&arn).await?);
            if self.commit(&arn.topic, writes).await? {
                return Ok(());
            }
        }
    }

    /// A signature over a text with this server's key.
    pub(super) async fn stamp(
        &self,
        version: sign::Version,
        text: String,
    ) -> Result<super::envelope::Stamp, Error> {
        let signer = self.signer().await.map_err(|error| unavailable(&error))?;
        let certificate_url = format!("{}{}", self.inner.base.0, signer.path());
        let sns = self.clone();
        // Some two milliseconds of arithmetic: not on a thread that has others' connections.
        let signed = tokio::task::spawn_blocking(move || {
            let signer = sns.inner.signer.get().expect("it was there a moment ago");
            signer.sign(version, &text, &*sns.inner.entropy)
        });
        let signature = signed.await.map_err(|error| unavailable(&error))?;
        Ok(super::envelope::Stamp { version, signature, certificate_url })
    }
}

/// The subscription's id that a token begins with.
fn id_of(token: &str) -> Option<String> {
    let id = token.get(..32).filter(|id| id.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    let parts = [&id[..8], &id[8..12], &id[12..16], &id[16..20], &id[20..]];
    Some(parts.join("-").to_ascii_lowercase())
}

/// Whether a subscription that nobody has confirmed has waited long enough.
pub(super) fn is_over(subscription: &Subscription, now: Timestamp) -> bool {
    subscription.state != State::Confirmed && subscription.created.plus(PATIENCE) <= now
}
