//! The task that scales: looks at what is used of each target, carries out policies and scheduled actions.

use std::collections::BTreeMap;
use std::time::Duration;

use lambent_model::{Provisioning, Scope, Target as Invoked, Timestamp};
use lambent_store::{Changes, ChangesError, Key};
use tokio::time::{Instant, MissedTickBehavior};

use super::port::CapacityError;
use super::record::{Action, Activity, Policy, Target, named};
use super::scaler::{Minute, Past, Tracking, Verdict};
use super::{Inner, KIND};
use crate::schedule::Schedule;

/// What is used is looked at so often; a minute's figure is the mean of what was seen.
const SAMPLE: Duration = Duration::from_secs(1);
/// However much time is shortened: a look reads the store.
const SAMPLE_LEAST: Duration = Duration::from_millis(20);
/// The period of AWS's alarms.
const MINUTE: Duration = Duration::from_secs(60);
/// Moments of one action that were missed and are gone through to find the last of them.
const MISSED: usize = 20_000;

/// A target, and what has been seen of it.
struct Kept {
    scope: Scope,
    resource: String,
    target: Target,
    past: Past,
    used: f64,
    capacity: f64,
    samples: u32,
    minute_over: Duration,
    /// After a failure: when the bounds are enforced again.
    patient_until: Duration,
}

/// Scales until `stop` resolves.
pub(super) async fn run(inner: &Inner, stop: impl Future<Output = ()>) {
    let mut stop = std::pin::pin!(stop);
    let mut changes = inner.store.changes();
    let mut kept: BTreeMap<Key, Kept> = BTreeMap::new();
    let began = Instant::now();
    let mut ticks = tokio::time::interval(SAMPLE.mul_f64(inner.scale).max(SAMPLE_LEAST));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    if load(inner, &mut kept, Duration::ZERO).await.is_err() {
        return;
    }
    loop {
        let scaled = |instant: Instant| instant.duration_since(began).div_f64(inner.scale);
        tokio::select! { biased;
            () = &mut stop => return,
            change = next_change(&mut changes) => match change {
                Ok(Some((key, body))) => apply(&mut kept, key, body.as_deref(), scaled(Instant::now())),
                Ok(None) => {}
                Err(ChangesError::Lagged { .. }) => {
                    if load(inner, &mut kept, scaled(Instant::now())).await.is_err() {
                        return;
                    }
                }
                Err(ChangesError::Closed) => return,
            },
            _ = ticks.tick(), if !kept.is_empty() => {
                for kept in kept.values_mut() {
                    tick(inner, kept, scaled(Instant::now())).await;
                }
            }
        }
    }
}

/// A change of one of our records; `None` for another's.
async fn next_change(changes: &mut Changes) -> Result<Option<(Key, Option<Vec<u8>>)>, ChangesError> {
    let change = changes.next().await?;
    Ok((change.key.kind == KIND).then(|| (change.key.clone(), change.body.as_deref().map(<[u8]>::to_vec))))
}

/// Reads all targets; what has been seen of those that were known stays.
async fn load(
    inner: &Inner,
    kept: &mut BTreeMap<Key, Kept>,
    now: Duration,
) -> Result<(), lambent_store::Error> {
    let records = inner.store.all(KIND).await.inspect_err(|error| {
        tracing::error!(%error, "scalable targets cannot be read, and nothing is scaled until the next start");
    })?;
    kept.retain(|key, _| records.iter().any(|record| record.key == *key));
    for record in records {
        apply(kept, record.key, Some(&record.body), now);
    }
    Ok(())
}

fn apply(kept: &mut BTreeMap<Key, Kept>, key: Key, body: Option<&[u8]>, now: Duration) {
    let Some(body) = body else {
        kept.remove(&key);
        return;
    };
    // A record that cannot be read was written by a newer server on the same data, which the store refuses.
    let target: Target = serde_json::from_slice(body).expect("the records of scalable targets are ours");
    let Some(scope) = scope_of(&key.partition) else { return };
    let resource = key.name.clone();
    match kept.get_mut(&key) {
        Some(known) => {
            if known.target.policies != target.policies {
                known.past = Past::default();
            }
            known.target = target;
        }
        None => {
            let fresh = Kept {
                scope,
                resource,
                target,
                past: Past::default(),
                used: 0.0,
                capacity: 0.0,
                samples: 0,
                minute_over: now + MINUTE,
                patient_until: Duration::ZERO,
            };
            kept.insert(key, fresh);
        }
    }
}

fn scope_of(partition: &str) -> Option<Scope> {
    let (account, region) = partition.split_once('/')?;
    Some(Scope { account: account.parse().ok()?, region: region.parse().ok()? })
}

/// One look at one target.
async fn tick(inner: &Inner, kept: &mut Kept, now: Duration) {
    let Some(of) = named(&kept.scope, &kept.resource) else { return };
    let due = due(&kept.target, inner.clock.now());
    if due.is_none() && kept.target.policies.is_empty() {
        return;
    }
    let current = match inner.lambda.current(&of).await {
        Ok(current) => current,
        // The function is gone, and its target stays, as on AWS; or Lambda cannot say, and is asked again.
        Err(CapacityError::NotFound(_) | CapacityError::Refused(_)) => return,
    };
    let requested = current.as_ref().map_or(0, |current| current.requested);
    if let Some(name) = due {
        return carry_out(inner, kept, &of, &name, requested).await;
    }
    sample(kept, current.as_ref());
    if !(kept.target.min..=kept.target.max).contains(&requested) && now >= kept.patient_until {
        let wanted = requested.clamp(kept.target.min, kept.target.max);
        let cause = format!(
            "the capacity {requested} is outside of the minimum {} and the maximum {}",
            kept.target.min, kept.target.max
        );
        if !set(inner, kept, &of, wanted, cause).await {
            kept.patient_until = now + MINUTE;
        }
        return;
    }
    if now >= kept.minute_over {
        kept.minute_over = now + MINUTE;
        let samples = f64::from(kept.samples.max(1));
        let minute = Minute { used: kept.used / samples, capacity: kept.capacity / samples };
        (kept.used, kept.capacity, kept.samples) = (0.0, 0.0, 0);
        kept.past.push(minute);
        track(inner, kept, &of, requested, now).await;
    }
}

fn sample(kept: &mut Kept, current: Option<&Provisioning>) {
    kept.samples += 1;
    if let Some(current) = current {
        kept.used += f64::from(current.in_use);
        kept.capacity += f64::from(current.requested);
    }
}

async fn track(inner: &Inner, kept: &mut Kept, of: &Invoked, current: u32, now: Duration) {
    let Target { min, max, suspended, .. } = kept.target;
    let Some((name, policy)) = kept.target.policies.iter().next() else { return };
    let verdict = kept.past.decide(&tracking(policy), current, min, max, now);
    let (wanted, cause) = match verdict {
        Verdict::Out(wanted) if !suspended.scale_out => {
            (wanted, format!("utilization above the target for three minutes triggered policy {name}"))
        }
        Verdict::In(wanted) if !suspended.scale_in => {
            (wanted, format!("utilization well below the target for fifteen minutes triggered policy {name}"))
        }
        _ => return,
    };
    if set(inner, kept, of, wanted, cause).await {
        kept.past.done(verdict, current, now);
    }
}

fn tracking(policy: &Policy) -> Tracking {
    // "For all other scalable targets, the default value is 0" (API Reference,
    // `TargetTrackingScalingPolicyConfiguration`), of which Lambda's are some.
    let seconds = |given: Option<u32>| Duration::from_secs(given.unwrap_or(0).into());
    Tracking {
        target: policy.target,
        out_cooldown: seconds(policy.out_cooldown),
        in_cooldown: seconds(policy.in_cooldown),
        may_scale_in: policy.disable_scale_in != Some(true),
    }
}

/// The name of the scheduled action whose moment has come, of several the earliest. What came while the server was down is
/// made up for: its last moment counts.
fn due(target: &Target, now: Timestamp) -> Option<String> {
    if target.suspended.scheduled {
        return None;
    }
    let due = |(name, action): (&String, &Action)| Some((last_due(action, now)?, name.clone()));
    target.actions.iter().filter_map(due).min().map(|(_, name)| name)
}

fn last_due(action: &Action, now: Timestamp) -> Option<i64> {
    let schedule = Schedule::parse(&action.schedule, action.zone.as_deref()).ok()?;
    let first = action.start.unwrap_or(action.created).millis();
    let until = action.end.map_or(now.millis(), |end| end.millis().min(now.millis()));
    let after = action.done.millis().max(action.start.map_or(i64::MIN, |start| start.millis() - 1));
    let moments = std::iter::successors(schedule.next(after, first), |at| schedule.next(*at, first));
    moments.take(MISSED).take_while(|at| *at <= until).last()
}

/// Sets the bounds that a scheduled action has, and brings the capacity between them.
async fn carry_out(inner: &Inner, kept: &mut Kept, of: &Invoked, name: &str, current: u32) {
    let now = inner.clock.now();
    let changed = inner
        .change(&kept.scope, &kept.resource, |target| {
            let Some(mut target) = target else { return Ok((None, None)) };
            let Some(action) = target.actions.get_mut(name) else { return Ok((Some(target), None)) };
            action.done = now;
            let (min, max) = (action.min, action.max);
            // A bound that is not given makes way for the one that is.
            target.min = min.unwrap_or_else(|| target.min.min(max.unwrap_or(target.min)));
            target.max = max.unwrap_or_else(|| target.max.max(target.min)).max(target.min);
            Ok((Some(target.clone()), Some(target)))
        })
        .await;
    match changed {
        Ok(Some(target)) => kept.target = target,
        Ok(None) => return,
        // Tried again at the next look.
        Err(_) => return,
    }
    let wanted = current.clamp(kept.target.min, kept.target.max);
    if wanted != current {
        set(inner, kept, of, wanted, format!("scheduled action {name} was triggered")).await;
    }
}

/// Has Lambda change the capacity, and takes note of what came of it; true when it was changed.
async fn set(inner: &Inner, kept: &mut Kept, of: &Invoked, wanted: u32, cause: String) -> bool {
    let (id, start) = (inner.new_id(), inner.clock.now());
    let failure = inner.lambda.set(of, wanted).await.err().map(|error| error.to_string());
    if let Some(reason) = &failure {
        tracing::warn!(function = %of.qualified(), wanted, reason, "provisioned concurrency could not be scaled");
    }
    let done = failure.is_none();
    let activity = Activity {
        id,
        description: format!("Setting provisioned concurrency to {wanted}."),
        cause,
        start,
        end: inner.clock.now(),
        failure,
        wanted,
    };
    let noted = inner
        .change(&kept.scope, &kept.resource, |target| {
            let Some(mut target) = target else { return Ok((None, ())) };
            target.note(activity.clone());
            Ok((Some(target), ()))
        })
        .await;
    if let Err(error) = noted {
        tracing::warn!(error = %error.message, "a scaling activity could not be kept");
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action(schedule: &str, created: i64, done: i64) -> Action {
        Action {
            id: String::new(),
            schedule: schedule.to_owned(),
            zone: None,
            start: None,
            end: None,
            min: Some(1),
            max: None,
            created: Timestamp::from_millis(created),
            done: Timestamp::from_millis(done),
        }
    }

    #[test]
    fn an_action_is_due_once_at_each_of_its_moments() {
        let minute = 60_000;
        let due = |action: &Action, now| last_due(action, Timestamp::from_millis(now));
        let rate = action("rate(1 minute)", 0, 0);
        assert_eq!(due(&rate, minute - 1), None);
        assert_eq!(due(&rate, minute), Some(minute));
        assert_eq!(due(&rate, 5 * minute + 7), Some(5 * minute), "the last of those that were missed");
        assert_eq!(due(&action("rate(1 minute)", 0, 5 * minute + 7), 6 * minute - 1), None);
        let once = action("at(1970-01-01T00:02:00)", 0, 0);
        assert_eq!(due(&once, 2 * minute), Some(2 * minute));
        assert_eq!(due(&action("at(1970-01-01T00:02:00)", 0, 2 * minute), 9 * minute), None);
        let bounded = Action {
            start: Some(Timestamp::from_millis(2 * minute)),
            end: Some(Timestamp::from_millis(4 * minute)),
            ..action("cron(* * * * ? *)", 0, 0)
        };
        assert_eq!(due(&bounded, minute), None, "before its beginning");
        assert_eq!(due(&bounded, 2 * minute), Some(2 * minute));
        assert_eq!(due(&bounded, 9 * minute), Some(4 * minute), "not after its end");
    }
}
