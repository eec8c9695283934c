//! Target tracking: how much capacity there should be, by what was used of it minute after minute. Pure.
//!
//! Source: Application Auto Scaling User Guide, "How target tracking scaling for Application Auto Scaling works" (the
//! service scales out in proportion, and in more gradually; cooldowns); AWS Lambda Developer Guide, "Managing provisioned
//! concurrency with Application Auto Scaling": "… when the utilization of provisioned concurrency is consistently high
//! (three data points of one minute) … consistently low (15 data points)". The alarm of the latter is at 90 % of the target.

use std::collections::VecDeque;
use std::time::Duration;

/// Minutes above the target before more is provisioned.
const HIGH: usize = 3;
/// Minutes below nine tenths of the target before less is provisioned.
const LOW: usize = 15;
/// The alarm for scaling in is so far below the target, so that it does not swing around it.
const LOW_PART: f64 = 0.9;

/// One minute of a target.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Minute {
    /// Environments in use, on average.
    pub(super) used: f64,
    /// Environments that there were, on average.
    pub(super) capacity: f64,
}

impl Minute {
    fn utilization(self) -> f64 {
        if self.capacity > 0.0 { self.used / self.capacity } else { 0.0 }
    }
}

/// What a policy asks for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Tracking {
    /// The utilization that is aimed at, 0 to 1.
    pub(super) target: f64,
    pub(super) out_cooldown: Duration,
    pub(super) in_cooldown: Duration,
    pub(super) may_scale_in: bool,
}

/// What a policy has seen and done.
#[derive(Debug, Clone, Default)]
pub(super) struct Past {
    /// The newest at the end, as many as are looked at.
    minutes: VecDeque<Minute>,
    /// The last activity: by how much, and when, on the clock of the caller.
    last_out: Option<(u32, Duration)>,
    last_in: Option<Duration>,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing.
    Stay,
    /// More: so much.
    Out(u32),
    /// Less: so much.
    In(u32),
}

impl Past {
    /// Takes note of a minute.
    pub(super) fn push(&mut self, minute: Minute) {
        if self.minutes.len() == LOW {
            self.minutes.pop_front();
        }
        self.minutes.push_back(minute);
    }

    /// Takes note that `verdict` has been carried out, from `current`.
    pub(super) fn done(&mut self, verdict: Verdict, current: u32, now: Duration) {
        match verdict {
            Verdict::Stay => {}
            Verdict::Out(to) => self.last_out = Some((to.saturating_sub(current), now)),
            Verdict::In(_) => self.last_in = Some(now),
        }
    }

    /// Decides. `now` is a monotonic clock's; the result is between `min` and `max`.
    pub(super) fn decide(
        &self,
        tracking: &Tracking,
        current: u32,
        min: u32,
        max: u32,
        now: Duration,
    ) -> Verdict {
        let above = |minute: &Minute| minute.utilization() > tracking.target;
        let below = |minute: &Minute| minute.utilization() < tracking.target * LOW_PART;
        let newest = || self.minutes.iter().rev();
        if self.minutes.len() >= HIGH && newest().take(HIGH).all(above) {
            let used = self.minutes.back().map_or(0.0, |minute| minute.used);
            let wanted = needed(used, tracking.target).clamp(min, max);
            return if wanted > current && self.may_scale_out(wanted - current, tracking, now) {
                Verdict::Out(wanted)
            } else {
                Verdict::Stay
            };
        }
        if tracking.may_scale_in && self.minutes.len() == LOW && newest().all(below) {
            // Gradually: not below what the busiest of these minutes needed.
            let used = self.minutes.iter().map(|minute| minute.used).fold(0.0, f64::max);
            let wanted = needed(used, tracking.target).clamp(min, max);
            if wanted < current && self.last_in.is_none_or(|at| now >= at + tracking.in_cooldown) {
                return Verdict::In(wanted);
            }
        }
        Verdict::Stay
    }

    /// "The scaling policy won't increase the desired capacity again unless either a larger scale out is triggered or the
    /// cooldown period ends."
    fn may_scale_out(&self, by: u32, tracking: &Tracking, now: Duration) -> bool {
        self.last_out.is_none_or(|(before, at)| by > before || now >= at + tracking.out_cooldown)
    }
}

/// The capacity of which `used` is the target.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "used is a few thousand at most")]
fn needed(used: f64, target: f64) -> u32 {
    // What is a whole number but for the last bits of a double is that number.
    (used / target - 1e-9).ceil().max(0.0) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACKING: Tracking = Tracking {
        target: 0.7,
        out_cooldown: Duration::ZERO,
        in_cooldown: Duration::ZERO,
        may_scale_in: true,
    };
    const MINUTE: Duration = Duration::from_secs(60);

    fn past(utilizations: &[f64], capacity: f64) -> Past {
        let mut past = Past::default();
        utilizations.iter().for_each(|used| past.push(Minute { used: used * capacity, capacity }));
        past
    }

    #[test]
    fn three_minutes_above_scale_out_and_fifteen_well_below_scale_in() {
        let low = |n| vec![0.2; n];
        for (utilizations, expected, why) in [
            (vec![], Verdict::Stay, "nothing is known"),
            (vec![0.9, 0.9], Verdict::Stay, "two minutes are not enough"),
            (vec![0.9, 0.9, 0.9], Verdict::Out(13), "9 of 10 are 0.7 of 13"),
            (vec![1.0, 0.8, 0.9], Verdict::Out(13), "by the newest"),
            (vec![0.9, 0.7, 0.9], Verdict::Stay, "the target itself is not above"),
            (low(14), Verdict::Stay, "fourteen minutes are not enough"),
            (low(15), Verdict::In(3), "2 of 10 are 0.7 of 3"),
            ([vec![0.62], low(14)].concat(), Verdict::In(9), "as much as the busiest of them needs"),
            ([vec![0.64], low(14)].concat(), Verdict::Stay, "0.63 is nine tenths of the target"),
            (vec![0.0; 15], Verdict::In(1), "no less than the minimum"),
            ([low(15), vec![1.0; 3]].concat(), Verdict::Out(15), "what was long ago does not count"),
        ] {
            assert_eq!(past(&utilizations, 10.0).decide(&TRACKING, 10, 1, 100, MINUTE), expected, "{why}");
        }
        let high = past(&[1.0; 3], 10.0);
        assert_eq!(high.decide(&TRACKING, 10, 1, 12, MINUTE), Verdict::Out(12), "no more than the maximum");
        assert_eq!(high.decide(&TRACKING, 12, 1, 12, MINUTE), Verdict::Stay);
        let kept = Tracking { may_scale_in: false, ..TRACKING };
        assert_eq!(past(&[0.0; 15], 10.0).decide(&kept, 10, 1, 100, MINUTE), Verdict::Stay);
    }

    #[test]
    fn what_nothing_was_provisioned_of_was_not_used() {
        assert_eq!(past(&[0.0; 15], 0.0).decide(&TRACKING, 0, 0, 5, MINUTE), Verdict::Stay);
    }

    #[test]
    fn a_cooldown_holds_back_all_but_a_larger_step_out() {
        let tracking = Tracking { out_cooldown: 5 * MINUTE, in_cooldown: 5 * MINUTE, ..TRACKING };
        let mut high = past(&[1.0; 3], 10.0);
        high.done(Verdict::Out(14), 10, MINUTE);
        let at = |minutes| high.decide(&tracking, 11, 1, 100, minutes * MINUTE);
        assert_eq!(at(2), Verdict::Stay, "by 4 again is no larger step");
        assert_eq!(at(6), Verdict::Out(15));
        let mut higher = past(&[1.0; 3], 20.0);
        higher.done(Verdict::Out(14), 10, MINUTE);
        assert_eq!(higher.decide(&tracking, 14, 1, 100, 2 * MINUTE), Verdict::Out(29));
        let mut low = past(&[0.2; 15], 10.0);
        low.done(Verdict::In(5), 10, MINUTE);
        assert_eq!(low.decide(&tracking, 5, 1, 100, 2 * MINUTE), Verdict::Stay);
        assert_eq!(low.decide(&tracking, 5, 1, 100, 6 * MINUTE), Verdict::In(3));
    }
}
