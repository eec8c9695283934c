//! From an event on a bus to all that follows from it: deliveries, and what archives keep.

use std::collections::{HashSet, VecDeque};

use lambent_identity::policy::{Access, Decision, Document, PolicyKind, Who};
use lambent_model::{AwsCallError, AwsCaller, Timestamp};
use lambent_patterns::Event as Seen;
use lambent_store::Write;
use lambent_wire::Error;
use lambent_wire::events::error;

use super::event::{Event, second};
use super::names::BusName;
use super::records::{Rule, Target};
use super::transform::Matched;
use super::{Inner, invalid, log_target, target};
use crate::sending::Kind;

/// An event on its way.
pub(super) struct Coming<'a> {
    pub(super) event: &'a Event,
    /// `X-Amzn-Trace-Id` of the chain that it is part of.
    pub(super) trace_id: Option<&'a str>,
    /// When it came.
    pub(super) now: Timestamp,
}

/// What targets are given parts of.
struct Texts {
    event: String,
    without_detail: String,
    ingested: String,
}

impl Texts {
    fn of(coming: &Coming<'_>) -> Self {
        let event = coming.event;
        Self { event: event.text(), without_detail: event.without_detail(), ingested: second(coming.now) }
    }
}

impl Inner {
    /// All that follows from an event that has come to a bus, its way through other buses included; nothing where there is
    /// no such bus. Where `only` names rules by their ARNs, no other rule of the first bus sees it.
    pub(super) async fn spread(
        &self,
        bus: BusName,
        coming: &Coming<'_>,
        only: &[String],
    ) -> Result<Vec<Write>, Error> {
        let texts = Texts::of(coming);
        let seen = Seen::parse(&texts.event).map_err(|error| invalid(error.to_string()))?;
        let mut writes = Vec::new();
        let (mut ahead, mut visited) = (VecDeque::from([bus.clone()]), HashSet::from([bus]));
        let mut only = only;
        while let Some(bus) = ahead.pop_front() {
            let Some(routes) = self.routes(&bus).await? else { continue };
            let (rules, archives) = routes.of(&seen, coming.event.replay_name.is_some());
            for (name, rule) in rules {
                if !only.is_empty() && !only.contains(&bus.rule_arn(name)) {
                    continue;
                }
                let (more, further) = self.hand_over(&bus, name, rule, coming, &texts).await?;
                writes.extend(more);
                // An event comes to a bus once, so that buses which forward to each other make no circle.
                ahead.extend(further.into_iter().filter(|next| visited.insert(next.clone())));
            }
            writes.extend(archives.into_iter().map(|archive| Write::Enqueue {
                queue: archive.queue.clone(),
                due: coming.now,
                state: Vec::new(),
                body: texts.event.clone().into_bytes(),
            }));
            only = &[];
        }
        Ok(writes)
    }

    /// What follows from the moment of a rule's schedule, which no other rule sees.
    pub(super) async fn spread_moment(
        &self,
        bus: &BusName,
        name: &str,
        rule: &Rule,
        coming: &Coming<'_>,
    ) -> Result<Vec<Write>, Error> {
        let (mut writes, further) = self.hand_over(bus, name, rule, coming, &Texts::of(coming)).await?;
        for next in further {
            writes.extend(self.spread(next, coming, &[]).await?);
        }
        Ok(writes)
    }

    /// The deliveries to the targets of one rule, and the buses among them.
    async fn hand_over(
        &self,
        bus: &BusName,
        name: &str,
        rule: &Rule,
        coming: &Coming<'_>,
        texts: &Texts,
    ) -> Result<(Vec<Write>, Vec<BusName>), Error> {
        let arn = bus.rule_arn(name);
        let matched = Matched {
            event: &texts.event,
            without_detail: &texts.without_detail,
            rule_arn: &arn,
            rule_name: name,
            ingested: &texts.ingested,
        };
        let (mut writes, mut further) = (Vec::new(), Vec::new());
        for target in &rule.targets {
            let from = target::From {
                bus,
                rule_arn: &arn,
                target,
                event_id: &coming.event.id,
                trace_id: coming.trace_id,
                now: coming.now,
            };
            let kind = Kind::of(&target.arn);
            if kind == Ok(Kind::Bus) {
                match self.forward(bus, target).await? {
                    Ok(next) => further.push(next),
                    Err((code, reason)) => writes.extend(from.refused(&texts.event, code, &reason)),
                }
                continue;
            }
            let text = target.input.of(&matched);
            if kind == Ok(Kind::LogGroup) {
                match log_target::entry(&target.input, text, &coming.event.time) {
                    Ok(entry) => writes.push(from.log(&entry, &texts.event)),
                    Err(reason) => writes.extend(from.refused(&texts.event, "INVALID_PARAMETER", &reason)),
                }
                continue;
            }
            writes.push(from.deliver(text, &texts.event));
        }
        Ok((writes, further))
    }

    /// The bus that a target is, if this one may send events there: within an account always, else as the policy of the
    /// other one says. If not, AWS's code for it, and why.
    async fn forward(
        &self,
        bus: &BusName,
        target: &Target,
    ) -> Result<Result<BusName, (&'static str, String)>, Error> {
        let absent = || ("NO_RESOURCE", format!("there is no event bus {}", target.arn));
        let Some(next) = BusName::from_arn(&target.arn) else { return Ok(Err(absent())) };
        if self.bus(&next).await?.is_none() {
            return Ok(Err(absent()));
        }
        if next.account == bus.account {
            return Ok(Ok(next));
        }
        let account = bus.scope().account;
        let role = target.role.clone().unwrap_or_else(|| format!("arn:aws:iam::{account}:root"));
        let caller = AwsCaller::Role { account, role, session: "events".to_owned() };
        match self.calls.allowed(&caller, "events:PutEvents", &target.arn).await {
            Ok(()) => Ok(Ok(next)),
            Err(AwsCallError::Service { status: 403, message, .. }) => Ok(Err(("NO_PERMISSIONS", message))),
            // Nobody has said no: the event stays where it is.
            Err(error) => Err(error::internal_exception(error.to_string())),
        }
    }
}

/// Whether the policy of a bus lets somebody put events there.
pub(super) fn allows(policy: Option<&str>, who: Who<'_>, bus: &str) -> bool {
    let document = policy.and_then(|policy| Document::parse(policy, PolicyKind::Resource).ok());
    let access = Access { who, action: "events:PutEvents", resource: bus, keys: &[] };
    document.is_some_and(|document| document.decision(&access) == Decision::Allow)
}
