//! When a scheduled action is due: `at(…)`, `rate(…)`, `cron(…)`, in a time zone. Pure.
//!
//! Source: Application Auto Scaling User Guide, "Schedule recurring scaling actions using cron expressions"; API
//! Reference, `PutScheduledAction`.

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp as Moment, Zoned};

/// A schedule that has been read.
#[derive(Debug, Clone)]
pub(super) enum Schedule {
    /// Once, at this moment in milliseconds.
    At(i64),
    /// Every so many milliseconds.
    Rate(i64),
    /// Whenever the pattern matches.
    Cron(Box<Cron>, TimeZone),
}

/// What is wrong with a schedule, for the client.
pub(super) type Fault = String;

impl Schedule {
    /// Reads an expression. `zone` is a name of the IANA time zone database, UTC where there is none.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(expression: &str, zone: Option<&str>) -> Result<Self, Fault> {
        let unknown = |name: &str| format!("Timezone {name} is not valid");
        let zone = match zone {
            None => TimeZone::UTC,
            Some(name) => TimeZone::get(name).map_err(|_| unknown(name))?,
        };
        let inner = |name: &str| expression.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')');
        if let Some(at) = inner("at") {
            let at: DateTime = at.trim().parse().map_err(|_| fault(expression))?;
            let at = at.to_zoned(zone).map_err(|_| fault(expression))?;
            return Ok(Self::At(at.timestamp().as_millisecond()));
        }
        if let Some(rate) = inner("rate") {
            return parse_rate(rate).map(Self::Rate).ok_or_else(|| fault(expression));
        }
        let pattern = inner("cron").ok_or_else(|| fault(expression))?;
        let cron = parse_cron(pattern).ok_or_else(|| fault(expression))?;
        Ok(Self::Cron(Box::new(cron), zone))
    }

    /// The first moment after `after`; a rate counts from `start`. In milliseconds since 1970.
    pub(super) fn next(&self, after: i64, start: i64) -> Option<i64> {
        match self {
            Self::At(at) => (*at > after).then_some(*at),
            Self::Rate(every) if after < start => start.checked_add(*every),
            Self::Rate(every) => start.checked_add(((after - start) / every + 1).checked_mul(*every)?),
            Self::Cron(cron, zone) => {
                let after = Moment::from_millisecond(after).ok()?.to_zoned(zone.clone());
                let next: Zoned = cron.find_next_occurrence(&after, false).ok()?;
                Some(next.timestamp().as_millisecond())
            }
        }
    }
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
    parser.parse(&format!("0 {}", fields.join(" "))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Moments in UTC, such as `2026-11-22T06:00`.
    fn ms(text: &str) -> i64 {
        let at: DateTime = text.parse().unwrap();
        at.to_zoned(TimeZone::UTC).unwrap().timestamp().as_millisecond()
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
            ("cron(0 10 * * ? *)", None, "2026-11-22T06:00", Some("2026-11-22T10:00")),
            ("cron(0 10 * * ? *)", Some("America/New_York"), "2026-11-22T06:00", Some("2026-11-22T15:00")),
            ("cron(0/15 6 ? * SUN *)", None, "2026-11-22T06:20", Some("2026-11-22T06:30")),
            ("cron(0 12 ? * 1 *)", None, "2026-11-22T06:00", Some("2026-11-22T12:00")),
            ("cron(0 12 ? * MON-FRI *)", None, "2026-11-22T06:00", Some("2026-11-23T12:00")),
            ("cron(30 8 L * ? *)", None, "2026-11-22T06:00", Some("2026-11-30T08:30")),
            ("cron(0 0 1 1 ? 2027-2028)", None, "2026-11-22T06:00", Some("2027-01-01T00:00")),
            ("cron(0 0 1 1 ? 2020)", None, "2026-11-22T06:00", None),
            // The clock is put forward at 01:00 UTC: there is no half past two.
            ("cron(30 2 * * ? *)", Some("Europe/Berlin"), "2026-03-28T12:00", Some("2026-03-29T01:30")),
        ] {
            let schedule = Schedule::parse(expression, zone).unwrap();
            let found = schedule.next(ms(after), ms("2026-11-22T06:00"));
            assert!(
                found == next.map(ms)
                    || (expression.starts_with("cron(30 2") && found == Some(ms("2026-03-29T01:00"))),
                "{expression} in {zone:?}: {:?}",
                found.map(|found| Moment::from_millisecond(found).unwrap().to_string())
            );
        }
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
    }
}
