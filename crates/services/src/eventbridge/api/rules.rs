//! `PutRule`, `DeleteRule`, `DescribeRule`, `EnableRule`, `DisableRule`, `ListRules`, `ListRuleNamesByTarget`,
//! `TestEventPattern`.

use lambent_patterns::{Dialect, Event as Seen, Pattern};
use lambent_store::{Expect, Write};
use lambent_wire::events::{error, types as t};
use lambent_wire::{Empty, Error};

use super::super::names::BusName;
use super::super::records::{Rule, rule_key};
use super::super::{invalid, keeper, unavailable};
use super::{Context, begins, page, tags};
use crate::schedule::Schedule;

/// AWS's quota is 300, and is raised for who asks (EventBridge User Guide, "Amazon EventBridge quotas").
const RULES: usize = 2_000;

pub(super) async fn put(
    context: &Context<'_>,
    input: t::PutRuleRequest,
) -> Result<t::PutRuleResponse, Error> {
    let given = |value: Option<String>| value.filter(|value| !value.is_empty());
    let (pattern, schedule) = (given(input.event_pattern), given(input.schedule_expression));
    if pattern.is_none() && schedule.is_none() {
        return Err(invalid("Parameter(s) EventPattern or ScheduleExpression must be specified."));
    }
    if let Some(pattern) = &pattern {
        check_pattern(pattern)?;
    }
    let state = state(input.state)?;
    let tags = tags::read(input.tags)?;
    let _changing = context.inner.changing.lock().await;
    let (bus, _) = context.bus(input.event_bus_name.as_deref()).await?;
    if schedule.is_some() && !bus.is_default() {
        return Err(invalid("ScheduleExpression is supported only on the default event bus."));
    }
    if let Some(schedule) = &schedule {
        Schedule::parse_rule(schedule)
            .map_err(|_fault| invalid("Parameter ScheduleExpression is not valid."))?;
    }
    let known = context.inner.rule(&bus, &input.name).await?;
    if known.is_none() && context.inner.rules(&bus).await?.len() >= RULES {
        return Err(error::limit_exceeded_exception(
            "The requested resource exceeds the maximum number allowed.",
        ));
    }
    // "If you are updating an existing rule, the rule is replaced with what you specify in this PutRule command", but for
    // its targets and tags.
    let rule = Rule {
        pattern,
        schedule,
        state,
        description: input.description,
        role: input.role_arn,
        tags: known.as_ref().map_or(tags, |known| known.tags.clone()),
        since: known.as_ref().map_or_else(|| context.inner.clock.now(), |known| known.since),
        wake: known.as_ref().and_then(|known| known.wake.clone()),
        targets: known.as_ref().map(|known| known.targets.clone()).unwrap_or_default(),
    };
    keep(context, &bus, &input.name, known.as_ref(), rule).await?;
    Ok(t::PutRuleResponse { rule_arn: Some(bus.rule_arn(&input.name)) })
}

/// Keeps a rule. Where its schedule is another one than before, or it was switched on, a new message wakes it, and its
/// countdown begins anew.
async fn keep(
    context: &Context<'_>,
    bus: &BusName,
    name: &str,
    known: Option<&Rule>,
    mut rule: Rule,
) -> Result<(), Error> {
    let ticks = |rule: &Rule| rule.schedule.clone().filter(|_| rule.is_enabled());
    let mut writes = Vec::new();
    if known.and_then(ticks) != ticks(&rule) {
        (rule.since, rule.wake) = (context.inner.clock.now(), None);
        if ticks(&rule).is_some() {
            let id = context.inner.new_id();
            writes.extend(keeper::first_wake(bus, name, &rule, &id));
            rule.wake = Some(id);
        }
    }
    writes.push(Write::put(rule_key(bus, name), Expect::Any, &rule).map_err(|error| unavailable(&error))?);
    context.inner.commit(writes).await?;
    context.inner.cache.forget(bus);
    Ok(())
}

fn state(given: Option<t::RuleState>) -> Result<String, Error> {
    match given {
        None => Ok(t::RuleState::Enabled.as_str().to_owned()),
        Some(t::RuleState::Other(other)) => {
            Err(invalid(format!("Parameter State is not valid. Reason: {other} is no state.")))
        }
        Some(state) => Ok(state.as_str().to_owned()),
    }
}

/// Whether this is a pattern.
pub(super) fn check_pattern(pattern: &str) -> Result<(), Error> {
    match Pattern::parse(pattern, Dialect::Rule) {
        Ok(_) => Ok(()),
        Err(reason) => Err(error::invalid_event_pattern_exception(format!(
            "Event pattern is not valid. Reason: {reason}"
        ))),
    }
}

pub(super) async fn delete(context: &Context<'_>, input: t::DeleteRuleRequest) -> Result<Empty, Error> {
    let _changing = context.inner.changing.lock().await;
    let (bus, _) = context.bus(input.event_bus_name.as_deref()).await?;
    // What is not there any more is deleted.
    let Some(rule) = context.inner.rule(&bus, &input.name).await? else { return Ok(Empty {}) };
    if !rule.targets.is_empty() {
        return Err(invalid("Rule can't be deleted since it has targets."));
    }
    context
        .inner
        .commit(vec![Write::Delete { key: rule_key(&bus, &input.name), expect: Expect::Any }])
        .await?;
    context.inner.cache.forget(&bus);
    Ok(Empty {})
}

pub(super) async fn describe(
    context: &Context<'_>,
    input: t::DescribeRuleRequest,
) -> Result<t::DescribeRuleResponse, Error> {
    let (bus, _) = context.bus(input.event_bus_name.as_deref()).await?;
    let rule = context.rule(&bus, &input.name).await?;
    Ok(t::DescribeRuleResponse {
        arn: Some(bus.rule_arn(&input.name)),
        name: Some(input.name),
        event_pattern: rule.pattern,
        schedule_expression: rule.schedule,
        state: Some(rule.state.into()),
        description: rule.description,
        role_arn: rule.role,
        managed_by: None,
        event_bus_name: Some(bus.name),
        created_by: Some(bus.account),
    })
}

pub(super) async fn enable(context: &Context<'_>, input: t::EnableRuleRequest) -> Result<Empty, Error> {
    switch(context, input.event_bus_name.as_deref(), &input.name, "ENABLED").await
}

pub(super) async fn disable(context: &Context<'_>, input: t::DisableRuleRequest) -> Result<Empty, Error> {
    switch(context, input.event_bus_name.as_deref(), &input.name, "DISABLED").await
}

async fn switch(context: &Context<'_>, bus: Option<&str>, name: &str, state: &str) -> Result<Empty, Error> {
    let _changing = context.inner.changing.lock().await;
    let (bus, _) = context.bus(bus).await?;
    let known = context.rule(&bus, name).await?;
    let rule = Rule { state: state.to_owned(), ..known.clone() };
    keep(context, &bus, name, Some(&known), rule).await?;
    Ok(Empty {})
}

pub(super) async fn list(
    context: &Context<'_>,
    input: t::ListRulesRequest,
) -> Result<t::ListRulesResponse, Error> {
    let (bus, _) = context.bus(input.event_bus_name.as_deref()).await?;
    let rules = context.inner.rules(&bus).await?;
    let rules = rules.into_iter().filter(|(name, _)| begins(name, input.name_prefix.as_ref()));
    let shown = rules.map(|(name, rule)| {
        let shown = t::Rule {
            name: Some(name.clone()),
            arn: Some(bus.rule_arn(&name)),
            event_pattern: rule.pattern,
            state: Some(rule.state.into()),
            description: rule.description,
            schedule_expression: rule.schedule,
            role_arn: rule.role,
            managed_by: None,
            event_bus_name: Some(bus.name.clone()),
        };
        (name, shown)
    });
    let (rules, next_token) = page(shown, input.limit, input.next_token.as_deref())?;
    Ok(t::ListRulesResponse { rules: Some(rules), next_token })
}

pub(super) async fn names_by_target(
    context: &Context<'_>,
    input: t::ListRuleNamesByTargetRequest,
) -> Result<t::ListRuleNamesByTargetResponse, Error> {
    let (bus, _) = context.bus(input.event_bus_name.as_deref()).await?;
    let rules = context.inner.rules(&bus).await?;
    let has = |rule: &Rule| rule.targets.iter().any(|target| target.arn == input.target_arn);
    let names = rules.into_iter().filter(|(_, rule)| has(rule)).map(|(name, _)| (name.clone(), name));
    let (names, next_token) = page(names, input.limit, input.next_token.as_deref())?;
    Ok(t::ListRuleNamesByTargetResponse { rule_names: Some(names), next_token })
}

/// What every event has ("must contain all of them", API Reference, `TestEventPattern`).
const MEMBERS: [&str; 7] = ["id", "account", "source", "time", "region", "resources", "detail-type"];

pub(super) async fn test_pattern(
    _: &Context<'_>,
    input: t::TestEventPatternRequest,
) -> Result<t::TestEventPatternResponse, Error> {
    check_pattern(&input.event_pattern)?;
    let pattern = Pattern::parse(&input.event_pattern, Dialect::Rule).expect("it has just been checked");
    let event: serde_json::Value = serde_json::from_str(&input.event)
        .map_err(|error| invalid(format!("Parameter Event is not valid. Reason: {error}.")))?;
    if let Some(absent) = MEMBERS.iter().find(|member| event.get(**member).is_none()) {
        return Err(invalid(format!("Parameter Event is not valid. Reason: {absent} is a required field.")));
    }
    let seen = Seen::parse(&input.event)
        .map_err(|error| invalid(format!("Parameter Event is not valid. Reason: {error}.")))?;
    Ok(t::TestEventPatternResponse { result: Some(pattern.matches(&seen)) })
}
