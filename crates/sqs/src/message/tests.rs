//! What may be sent, as a table.

use super::*;

fn attribute(data_type: &str, text: &str) -> MessageAttributeValue {
    MessageAttributeValue {
        data_type: data_type.to_owned(),
        string_value: Some(text.to_owned()),
        ..MessageAttributeValue::default()
    }
}

fn sent(draft: Draft, fifo: bool, set: &[(&str, &str)]) -> Result<Checked, Error> {
    let mut queue = Attributes::default();
    let set = set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    queue.change(fifo, true, &set).unwrap();
    draft.check(&queue, fifo, "id".into(), "me")
}

fn text(body: &str) -> Draft {
    Draft { body: body.to_owned(), ..Draft::default() }
}

#[test]
fn texts_are_held_to_their_characters_and_size() {
    for (body, code) in [
        ("x", ""),
        ("a\t\r\n\u{e000}\u{10ffff}", ""),
        ("", "MissingRequiredParameterException"),
        ("\u{0}", "InvalidMessageContents"),
        ("\u{fffe}", "InvalidMessageContents"),
        ("\u{1b}", "InvalidMessageContents"),
    ] {
        let result = sent(text(body), false, &[]);
        assert_eq!(result.err().map_or("", |error| error.code), code, "{body:?}");
    }
    let limit = [("MaximumMessageSize", "1024")];
    assert!(sent(text(&"x".repeat(1024)), false, &limit).is_ok());
    assert!(sent(text(&"x".repeat(1025)), false, &limit).is_err());
    let mut draft = text(&"x".repeat(1016));
    draft.attributes.insert("a".into(), attribute("String", "v"));
    assert_eq!(draft.size(), 1024);
    assert!(sent(draft, false, &limit).is_ok(), "name, type and value count");
}

#[test]
fn attributes_have_a_name_a_type_and_a_value() {
    for (name, data_type, value, fits) in [
        ("a", "String", "v", true),
        ("a.b-C_9", "String.custom", "v", true),
        ("a", "Number", "-1.5e3", true),
        ("a", "Number.int", "12", true),
        ("a", "Number", "x", false),
        ("a", "String", "", false),
        ("a", "", "v", false),
        ("a", "Other", "v", false),
        ("a", "Binary", "v", false),
        (".a", "String", "v", false),
        ("a..b", "String", "v", false),
        ("AWS.a", "String", "v", false),
        ("amazon.a", "String", "v", false),
        ("a b", "String", "v", false),
        ("", "String", "v", false),
    ] {
        let mut draft = text("x");
        draft.attributes.insert(name.into(), attribute(data_type, value));
        assert_eq!(sent(draft, false, &[]).is_ok(), fits, "{name} {data_type} {value}");
    }
    let mut many = text("x");
    many.attributes = (0..11).map(|n| (format!("a{n}"), attribute("String", "v"))).collect();
    assert!(sent(many, false, &[]).is_err());
}

#[test]
fn only_the_trace_header_is_a_system_attribute() {
    let system = |name: &str, data_type: &str| {
        let value = MessageSystemAttributeValue {
            data_type: data_type.to_owned(),
            string_value: Some("Root=1".into()),
            ..MessageSystemAttributeValue::default()
        };
        Draft { system: BTreeMap::from([(name.to_owned(), value)]), ..text("x") }
    };
    let checked = sent(system("AWSTraceHeader", "String"), false, &[]).unwrap();
    assert_eq!(checked.head.trace.as_deref(), Some("Root=1"));
    assert!(checked.md5_of_system.is_some() && checked.md5_of_attributes.is_none());
    assert!(sent(system("AWSTraceHeader", "Number"), false, &[]).is_err());
    assert!(sent(system("Other", "String"), false, &[]).is_err());
}

#[test]
fn queues_take_what_is_of_their_type() {
    let draft = |group: Option<&str>, id: Option<&str>, delay: Option<i32>| Draft {
        group: group.map(str::to_owned),
        deduplication: id.map(str::to_owned),
        delay_seconds: delay,
        ..text("hello")
    };
    let by_content = [("ContentBasedDeduplication", "true")];
    for (group, id, delay, set, fifo, fits) in [
        (None, None, None, &[][..], false, true),
        (Some("g"), None, Some(900), &[], false, true),
        (None, Some("d"), None, &[], false, false),
        (None, None, Some(901), &[], false, false),
        (None, None, Some(-1), &[], false, false),
        (Some("g"), Some("d"), None, &[], true, true),
        (Some("g"), None, None, &by_content, true, true),
        (Some("g"), None, None, &[], true, false),
        (None, Some("d"), None, &[], true, false),
        (Some("g"), Some("d"), Some(1), &[], true, false),
        (Some("g"), Some("d"), Some(0), &[], true, true),
        (Some("g h"), Some("d"), None, &[], true, false),
        (Some("g"), Some(""), None, &[], true, false),
    ] {
        let result = sent(draft(group, id, delay), fifo, set);
        assert_eq!(result.is_ok(), fits, "{group:?} {id:?} {delay:?} {fifo}");
    }
    let checked = sent(draft(Some("g"), None, None), true, &by_content).unwrap();
    // SHA-256 of "hello" (FIPS 180-4).
    let hash = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    assert_eq!(checked.identity.as_deref(), Some(hash));
    let delayed = sent(draft(None, None, None), false, &[("DelaySeconds", "7")]).unwrap();
    assert_eq!(delayed.delay_seconds, 7);
}
