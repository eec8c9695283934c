//! When something is due: `at(…)`, `rate(…)`, `cron(…)`, in a time zone. Pure.
//!
//! One language for the scheduled actions of Application Auto Scaling, rules of EventBridge and schedules of EventBridge
//! Scheduler. Sources: EventBridge Scheduler User Guide, "Schedule types"; EventBridge User Guide, "Setting a schedule
//! pattern"; Application Auto Scaling User Guide, "Schedule recurring scaling actions using cron expressions".

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::Timestamp as Moment;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};

/// Moments that do not exist in one row: the longest gap of a time zone's clock is a day, in minutes.
const SKIPPED: usize = 24 * 60;

/// A schedule that has been read.
#[derive(Debug, Clone)]
pub(crate) enum Schedule {
    /// Once, at this moment in milliseconds.
    At(i64),
    /// Every so many milliseconds.
    Rate(i64),
    /// Whenever the pattern matches.
    Cron(Box<Cron>, TimeZone),
}

/// What is wrong with a schedule, for the client.
pub(crate) type Fault = String;

impl Schedule {
    /// Reads an expression. `zone` is a name of the IANA time zone database, UTC where there is none.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(expression: &str, zone: Option<&str>) -> Result<Self, Fault> {
        let unknown = |name: &str| format!("Timezone {name} is not valid");
        let zone = match zone {
            None => TimeZone::UTC,
            Some(name) => TimeZone::get(name).map_err(|_| unknown(name))?,
        };
        if let Some(at) = inner(expression, "at") {
            let at: DateTime = at.trim().parse().map_err(|_| fault(expression))?;
            let at = at.to_zoned(zone).map_err(|_| fault(expression))?;
            return Ok(Self::At(at.timestamp().as_millisecond()));
        }
        if let Some(rate) = inner(expression, "rate") {
            return parse_rate(rate).map(Self::Rate).ok_or_else(|| fault(expression));
        }
        let pattern = inner(expression, "cron").ok_or_else(|| fault(expression))?;
        let cron = parse_cron(pattern).ok_or_else(|| fault(expression))?;
        Ok(Self::Cron(Box::new(cron), zone))
    }

    /// Reads the expression of a rule: never once, always in UTC, and of a rate the unit has to fit the number ("`rate(1
    /// hours)` and `rate(5 hour)` are not valid").
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse_rule(expression: &str) -> Result<Self, Fault> {
        let schedule = Self::parse(expression, None)?;
        let fits = match inner(expression, "rate").map(|rate| rate.trim().split_once(' ')) {
            Some(Some((value, unit))) => (value == "1") != unit.ends_with('s'),
            _ => !matches!(schedule, Self::At(_)),
        };
        if fits { Ok(schedule) } else { Err(fault(expression)) }
    }

    /// The first moment after `after`; a rate counts from `start`. In milliseconds since 1970.
    ///
    /// Where the clock is put forward, what falls into the hour that is left out is skipped; where it is put back, the
    /// hour that comes twice counts once (EventBridge Scheduler User Guide, "Daylight savings time").
    pub(crate) fn next(&self, after: i64, start: i64) -> Option<i64> {
        match self {
            Self::At(at) => (*at > after).then_some(*at),
            Self::Rate(every) if after < start => start.checked_add(*every),
            Self::Rate(every) => start.checked_add(((after - start) / every + 1).checked_mul(*every)?),
            Self::Cron(cron, zone) => next_cron(cron, zone, after),
        }
    }
}

/// The pattern is about the clock on the wall, so it is asked in a zone whose clock is never moved.
fn next_cron(cron: &Cron, zone: &TimeZone, after: i64) -> Option<i64> {
    let mut wall = Moment::from_millisecond(after).ok()?.to_zoned(zone.clone()).datetime();
    for _ in 0..SKIPPED {
        let from = wall.to_zoned(TimeZone::UTC).ok()?;
        wall = cron.find_next_occurrence(&from, false).ok()?.datetime();
        let ambiguous = zone.to_ambiguous_timestamp(wall);
        if matches!(ambiguous.offset(), AmbiguousOffset::Gap { .. }) {
            continue;
        }
        let found = ambiguous.earlier().ok()?.as_millisecond();
        if found > after {
            return Some(found);
        }
    }
    None
}

fn inner<'a>(expression: &'a str, name: &str) -> Option<&'a str> {
    expression.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')')
}

fn fault(expression: &str) -> Fault {
    format!("Schedule expression {expression} is not valid")
}

fn parse_rate(rate: &str) -> Option<i64> {
    let (value, unit) = rate.trim().split_once(' ')?;
    let value: i64 = value.parse().ok().filter(|value| *value > 0)?;
    let unit = match unit.trim() {
        "minute" | "minutes" => 60_000,
        "hour" | "hours" => 3_600_000,
        "day" | "days" => 86_400_000,
        _ => return None,
    };
    value.checked_mul(unit)
}

/// Six fields, of which one of the two for days is `?`: "you can't specify the day-of-month and day-of-week fields in the
/// same cron expression". Sunday is 1.
fn parse_cron(pattern: &str) -> Option<Cron> {
    let fields: Vec<&str> = pattern.split_whitespace().collect();
    let [_, _, day_of_month, _, day_of_week, _] = fields[..] else { return None };
    if (day_of_month == "?") == (day_of_week == "?") {
        return None;
    }
    let parser = CronParser::builder()
        .seconds(Seconds::Required)
        .year(Year::Required)
        .alternative_weekdays(true)
        .sloppy_ranges(true)
        .build();
    let fields: Vec<String> =
        fields.iter().zip(RANGES).map(|(field, range)| unwrapped(field, range)).collect::<Option<_>>()?;
    parser.parse(&format!("0 {}", fields.join(" "))).ok()
}

const MONTHS: [&str; 12] =
    ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const DAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// The first and the last value of each field, and the names of its values.
const RANGES: [(u32, u32, &[&str]); 6] =
    [(0, 59, &[]), (0, 23, &[]), (1, 31, &[]), (1, 12, &MONTHS), (1, 7, &DAYS), (1970, 2199, &[])];

/// A range may go past the end of its field: `20-2` are the hours from eight in the evening till two (EventBridge User
/// Guide, "Cron expressions reference", `cron(0/30 20-2 ? * MON-FRI *)`). The parser's may not, so it is given both parts.
fn unwrapped(field: &str, (least, most, names): (u32, u32, &[&str])) -> Option<String> {
    let value = |text: &str| {
        let name = names.iter().position(|name| name.eq_ignore_ascii_case(text));
        name.map_or_else(|| text.parse().ok(), |at| Some(u32::try_from(at).ok()? + least))
    };
    let part = |part: &str| {
        let (range, step) = part.split_once('/').map_or((part, None), |(range, step)| (range, Some(step)));
        let bounds = range.split_once('-').and_then(|(from, to)| Some((value(from)?, value(to)?)));
        let Some((from, to)) = bounds.filter(|(from, to)| from > to && *from <= most && *to >= least) else {
            return Some(part.to_owned());
        };
        let step: usize = step.map_or(Some(1), |step| step.parse().ok().filter(|step| *step > 0))?;
        let all: Vec<String> =
            (from..=most).chain(least..=to).step_by(step).map(|at| at.to_string()).collect();
        Some(all.join(","))
    };
    Some(field.split(',').map(part).collect::<Option<Vec<_>>>()?.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Moments in UTC, such as `2026-11-22T06:00`.
    fn ms(text: &str) -> i64 {
        let at: DateTime = text.parse().unwrap();
        at.to_zoned(TimeZone::UTC).unwrap().timestamp().as_millisecond()
    }

    fn moments(expression: &str, zone: Option<&str>, after: &str, count: usize) -> Vec<String> {
        let schedule = Schedule::parse(expression, zone).unwrap();
        let first = schedule.next(ms(after), ms("2026-11-22T06:00"));
        let all = std::iter::successors(first, |at| schedule.next(*at, ms("2026-11-22T06:00")));
        let text = |at| Moment::from_millisecond(at).unwrap().to_string().replace(":00Z", "");
        all.take(count).map(text).collect()
    }

    #[test]
    fn the_next_moment_of_each_form() {
        // 22 November 2026 is a Sunday.
        for (expression, zone, after, next) in [
            ("at(2026-12-01T10:00:00)", None, "2026-11-22T06:00", Some("2026-12-01T10:00")),
            ("at(2026-12-01T10:00:00)", Some("Europe/Berlin"), "2026-11-22T06:00", Some("2026-12-01T09:00")),
            ("at(2026-12-01T10:00:00)", None, "2026-12-01T10:00", None),
            ("rate(5 minutes)", None, "2026-11-22T06:07", Some("2026-11-22T06:10")),
            ("rate(1 day)", None, "2026-11-22T06:00", Some("2026-11-23T06:00")),
            ("cron(0 10 * * ? *)", Some("America/New_York"), "2026-11-22T06:00", Some("2026-11-22T15:00")),
            ("cron(0/15 6 ? * SUN *)", None, "2026-11-22T06:20", Some("2026-11-22T06:30")),
            ("cron(0 12 ? * 1 *)", None, "2026-11-22T06:00", Some("2026-11-22T12:00")),
            ("cron(30 8 L * ? *)", None, "2026-11-22T06:00", Some("2026-11-30T08:30")),
            ("cron(0 0 1 1 ? 2027-2028)", None, "2026-11-22T06:00", Some("2027-01-01T00:00")),
            ("cron(0 0 1 1 ? 2020)", None, "2026-11-22T06:00", None),
        ] {
            let found = moments(expression, zone, after, 1);
            assert_eq!(found.first().map(String::as_str), next, "{expression} in {zone:?}");
        }
    }

    /// The examples of the EventBridge User Guide, "Cron expressions reference", and of each wildcard.
    #[test]
    fn the_examples_of_the_guide() {
        for (expression, next) in [
            ("cron(0 10 * * ? *)", ["2026-11-22T10:00", "2026-11-23T10:00"]),
            ("cron(15 12 * * ? *)", ["2026-11-22T12:15", "2026-11-23T12:15"]),
            ("cron(0 18 ? * MON-FRI *)", ["2026-11-23T18:00", "2026-11-24T18:00"]),
            ("cron(0 8 1 * ? *)", ["2026-12-01T08:00", "2027-01-01T08:00"]),
            ("cron(0/15 * * * ? *)", ["2026-11-22T06:15", "2026-11-22T06:30"]),
            ("cron(0/10 * ? * MON-FRI *)", ["2026-11-23T00:00", "2026-11-23T00:10"]),
            ("cron(0/5 8-17 ? * MON-FRI *)", ["2026-11-23T08:00", "2026-11-23T08:05"]),
            ("cron(0/30 20-2 ? * MON-FRI *)", ["2026-11-23T00:00", "2026-11-23T00:30"]),
            ("cron(0 6 ? * FRI-MON *)", ["2026-11-23T06:00", "2026-11-27T06:00"]),
            ("cron(0 20-2/2 ? * 1 *)", ["2026-11-22T20:00", "2026-11-22T22:00"]),
            ("cron(0 9 ? * 2#1 *)", ["2026-12-07T09:00", "2027-01-04T09:00"]),
            ("cron(15 10 ? * 6L 2026-2027)", ["2026-11-27T10:15", "2026-12-25T10:15"]),
            ("cron(0 0 3W * ? *)", ["2026-12-03T00:00", "2027-01-04T00:00"]),
            ("cron(0 8 ? * 3#2 *)", ["2026-12-08T08:00", "2027-01-12T08:00"]),
            ("cron(0 6 ? JAN,MAR TUE,SAT *)", ["2027-01-02T06:00", "2027-01-05T06:00"]),
        ] {
            assert_eq!(moments(expression, None, "2026-11-22T06:00", 2), next, "{expression}");
        }
    }

    #[test]
    fn a_clock_that_is_moved_skips_and_repeats_nothing() {
        let berlin = Some("Europe/Berlin");
        // 29 March 2026: no half past two. 25 October 2026: two of them.
        let spring = moments("cron(30 2 * * ? *)", berlin, "2026-03-27T12:00", 2);
        assert_eq!(spring, ["2026-03-28T01:30", "2026-03-30T00:30"]);
        let autumn = moments("cron(30 2 * * ? *)", berlin, "2026-10-24T12:00", 2);
        assert_eq!(autumn, ["2026-10-25T00:30", "2026-10-26T01:30"]);
        // From within the hour that comes again.
        assert_eq!(moments("cron(0/20 * * * ? *)", berlin, "2026-10-25T01:10", 1), ["2026-10-25T02:00"]);
        // Days of a rate have 24 hours.
        assert_eq!(moments("rate(1 day)", berlin, "2027-03-28T00:00", 1), ["2027-03-28T06:00"]);
    }

    #[test]
    fn what_is_no_schedule_is_refused() {
        for (expression, zone) in [
            ("", None),
            ("cron(0 10 * * * *)", None),
            ("cron(0 10 ? * ? *)", None),
            ("cron(0 10 * * ?)", None),
            ("cron(61 10 * * ? *)", None),
            ("rate(0 minutes)", None),
            ("rate(5 seconds)", None),
            ("rate(9223372036854775807 days)", None),
            ("at(tomorrow)", None),
            ("at(2026-13-01T10:00:00)", None),
            ("rate(5 minutes)", Some("Mars/Olympus")),
        ] {
            assert!(Schedule::parse(expression, zone).is_err(), "{expression} {zone:?}");
        }
        for expression in ["rate(1 minutes)", "rate(5 minute)", "at(2026-12-01T10:00:00)"] {
            assert!(Schedule::parse_rule(expression).is_err(), "{expression}");
        }
        for expression in ["rate(1 minute)", "rate(5 minutes)", "rate(11 hours)", "cron(0 10 * * ? *)"] {
            assert!(Schedule::parse_rule(expression).is_ok(), "{expression}");
        }
    }
}
