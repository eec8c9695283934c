//! The two ways in which a signed request writes its date.

use lambent_model::Timestamp;

/// `20150830T123600Z`, ISO 8601's basic format.
pub(crate) fn basic(at: Timestamp) -> String {
    let (year, month, day, hour, minute, second) = at.civil();
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

/// Reads `20150830T123600Z`.
pub(crate) fn parse_basic(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    if bytes.len() != 16 || bytes[8] != b'T' || bytes[15] != b'Z' {
        return None;
    }
    // `get`, for a query may hold characters of several bytes.
    let field = |range: std::ops::Range<usize>| number(text.get(range)?);
    instant(field(0..4)?, field(4..6)?, field(6..8)?, field(9..11)?, field(11..13)?, field(13..15)?)
}

/// Reads `Sun, 30 Aug 2015 12:36:00 GMT`, the preferred form of RFC 9110 §5.6.7. Python's clients, botocore among
/// them, write `-0000` for UTC as mail does (RFC 5322 §3.3).
pub(crate) fn parse_http(text: &str) -> Option<Timestamp> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (_weekday, rest) = text.split_once(", ")?;
    let parts: Vec<&str> = rest.split(' ').collect();
    let [day, month, year, time, "GMT" | "-0000" | "+0000"] = parts[..] else { return None };
    let month = MONTHS.iter().position(|name| *name == month)?;
    let clock: Vec<&str> = time.split(':').collect();
    let [hour, minute, second] = clock[..] else { return None };
    let month = i64::try_from(month).expect("there are twelve months") + 1;
    instant(number(year)?, month, number(day)?, number(hour)?, number(minute)?, number(second)?)
}

/// A number of at most four digits and nothing else: `str::parse` alone would read a sign.
fn number(text: &str) -> Option<i64> {
    (text.len() <= 4 && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

fn instant(year: i64, month: i64, day: i64, hour: i64, minute: i64, second: i64) -> Option<Timestamp> {
    let in_range = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..=60).contains(&second);
    if !in_range {
        return None;
    }
    // Date to days: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil.
    let shifted_year = if month <= 2 { year - 1 } else { year };
    let era = shifted_year.div_euclid(400);
    let year_of_era = shifted_year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * 146_097 + day_of_era - 719_468;
    Some(Timestamp::from_millis((days * 86_400 + hour * 3600 + minute * 60 + second) * 1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_name_the_same_instant() {
        let at = Timestamp::from_millis(1_440_938_160_000);
        assert_eq!(parse_basic("20150830T123600Z"), Some(at));
        assert_eq!(parse_http("Sun, 30 Aug 2015 12:36:00 GMT"), Some(at));
        assert_eq!(parse_http("Sun, 30 Aug 2015 12:36:00 -0000"), Some(at));
        assert_eq!(basic(at), "20150830T123600Z");
        let leap = parse_basic("20000229T235959Z").expect("a valid date");
        assert_eq!(basic(leap), "20000229T235959Z");
    }

    #[test]
    fn other_texts_are_no_dates() {
        for text in [
            "",
            "20150830",
            "2015-08-30T12:36:00Z",
            "20151330T123600Z",
            "20150830T243600Z",
            "+0150830T123600Z",
            "20150830T123é0Z",
            "Sunday, 30-Aug-15 12:36:00 GMT",
            "Sun, 30 Aug 2015 12:36:00 CEST",
            "Sun, 30 Aug 2015 12:36 GMT",
        ] {
            assert_eq!(parse_basic(text).or(parse_http(text)), None, "{text}");
        }
    }
}
