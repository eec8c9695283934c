//! Timestamps by their encoding on the wire.

use lambent_model::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Epoch seconds with a fraction: how JSON bodies carry a timestamp (Smithy: "timestampFormat trait").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EpochSeconds(pub Timestamp);

/// ISO 8601 text: how query strings and labels carry a timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DateTime(pub Timestamp);

/// The year 9999 ends here; later seconds are a client's mistake, such as milliseconds sent for seconds.
const SECONDS_MAX: f64 = 253_402_300_800.0;

impl Serialize for EpochSeconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Milliseconds are all that AWS sends, and f64 holds them exactly enough for every date of the calendar.
        #[allow(clippy::cast_precision_loss)]
        serializer.serialize_f64(self.0.millis() as f64 / 1000.0)
    }
}

impl<'de> Deserialize<'de> for EpochSeconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        if !(-SECONDS_MAX..SECONDS_MAX).contains(&seconds) {
            return Err(serde::de::Error::custom(format!("{seconds} is outside the range of epoch seconds")));
        }
        // In range by the check above, so the conversion only drops what is below a millisecond.
        #[allow(clippy::cast_possible_truncation)]
        Ok(Self(Timestamp::from_millis((seconds * 1000.0).round() as i64)))
    }
}

impl Serialize for DateTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Fractions are optional (Smithy: "timestampFormat trait"), and AWS leaves out those that are none.
        serializer.serialize_str(&self.0.to_string().replace(".000Z", "Z"))
    }
}

impl<'de> Deserialize<'de> for DateTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let parsed: jiff::Timestamp = text.parse().map_err(serde::de::Error::custom)?;
        Ok(Self(Timestamp::from_micros(parsed.as_microsecond())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_encoding_reads_what_it_writes() {
        let at = Timestamp::from_millis(1_767_225_600_123);
        assert_eq!(serde_json::to_string(&EpochSeconds(at)).unwrap(), "1767225600.123");
        assert_eq!(serde_json::from_str::<EpochSeconds>("1767225600.123").unwrap(), EpochSeconds(at));
        assert_eq!(serde_json::from_str::<EpochSeconds>("1").unwrap().0.millis(), 1000);
        assert!(serde_json::from_str::<EpochSeconds>("1e300").is_err());
        assert_eq!(serde_json::to_string(&DateTime(at)).unwrap(), "\"2026-01-01T00:00:00.123Z\"");
        let whole = DateTime(Timestamp::from_millis(1_767_225_600_000));
        assert_eq!(serde_json::to_string(&whole).unwrap(), "\"2026-01-01T00:00:00Z\"");
        for text in ["2026-01-01T00:00:00.123Z", "2026-01-01T02:00:00.123+02:00"] {
            assert_eq!(serde_json::from_str::<DateTime>(&format!("{text:?}")).unwrap(), DateTime(at));
        }
    }
}
