//! An event as rules see it and targets get it (EventBridge User Guide, "Structure of an event"). Pure.

use lambent_model::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// An event.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Event {
    /// "By default, this is set to 0 (zero) in all events."
    pub(super) version: String,
    pub(super) id: String,
    pub(super) detail_type: String,
    pub(super) source: String,
    pub(super) account: String,
    pub(super) time: String,
    pub(super) region: String,
    pub(super) resources: Vec<String>,
    /// Which replay it comes from, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) replay_name: Option<String>,
    /// As it was written; absent in what templates call the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) detail: Option<Box<RawValue>>,
}

impl Event {
    /// The event of a rule's schedule: it has come to its time (User Guide, "Scheduled events").
    pub(super) fn of_schedule(
        id: String,
        account: &str,
        region: &str,
        time: Timestamp,
        rule_arn: &str,
    ) -> Self {
        Self {
            version: "0".to_owned(),
            id,
            detail_type: "Scheduled Event".to_owned(),
            source: "aws.events".to_owned(),
            account: account.to_owned(),
            time: second(time),
            region: region.to_owned(),
            resources: vec![rule_arn.to_owned()],
            replay_name: None,
            detail: Some(RawValue::from_string("{}".to_owned()).expect("it is JSON")),
        }
    }

    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).expect("texts always have a JSON form")
    }

    pub(super) fn without_detail(&self) -> String {
        Self { detail: None, ..self.clone() }.text()
    }
}

/// ISO 8601 with whole seconds, as events have their time.
pub(super) fn second(time: Timestamp) -> String {
    let (year, month, day, hour, minute, second) = time.civil();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_written_as_it_is_documented() {
        let at = Timestamp::from_millis(1_450_000_000_999);
        let event = Event::of_schedule(
            "id-1".into(),
            "123456789012",
            "us-east-1",
            at,
            "arn:aws:events:us-east-1:123456789012:rule/r",
        );
        let text = r#"{"version":"0","id":"id-1","detail-type":"Scheduled Event","source":"aws.events","account":"123456789012","time":"2015-12-13T09:46:40Z","region":"us-east-1","resources":["arn:aws:events:us-east-1:123456789012:rule/r"],"detail":{}}"#;
        assert_eq!(event.text(), text);
        assert_eq!(event.without_detail(), text.replace(r#","detail":{}"#, ""));
        let read: Event = serde_json::from_str(text).unwrap();
        assert_eq!(
            Event { replay_name: Some("again".into()), ..read }.text(),
            text.replace(r#","detail""#, r#","replay-name":"again","detail""#)
        );
    }
}
