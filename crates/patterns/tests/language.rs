//! The language by examples, each from what AWS's pages say of an operator, and held against another implementation.

use lambent_patterns::{Dialect, Event, Index, Pattern};

/// A pattern, an event, whether it is met.
const EXAMPLES: &[(&str, &str, bool)] = &[
    (r#"{"a": ["x", "y"]}"#, r#"{"a": "y"}"#, true),
    (r#"{"a": ["x", "y"]}"#, r#"{"a": "z"}"#, false),
    (r#"{"a": ["x"], "b": [1]}"#, r#"{"a": "x", "b": 1, "c": 2}"#, true),
    (r#"{"a": ["x"], "b": [1]}"#, r#"{"a": "x"}"#, false),
    (r#"{"a": {"b": [true]}}"#, r#"{"a": {"b": true}}"#, true),
    (r#"{"a": {"b": [true]}}"#, r#"{"a": {"b": "true"}}"#, false),
    (r#"{"a": [null]}"#, r#"{"a": null}"#, true),
    (r#"{"a": [null]}"#, r#"{}"#, false),
    (r#"{"a": [""]}"#, r#"{"a": ""}"#, true),
    (r#"{"a": [300]}"#, r#"{"a": 300}"#, true),
    (r#"{"a": ["x"]}"#, r#"{"a": ["w", "x"]}"#, true),
    (r#"{"a": [{"prefix": "ab"}]}"#, r#"{"a": "abc"}"#, true),
    (r#"{"a": [{"prefix": "ab"}]}"#, r#"{"a": "b"}"#, false),
    (r#"{"a": [{"suffix": ".png"}]}"#, r#"{"a": "x.png"}"#, true),
    (r#"{"a": [{"suffix": ".png"}]}"#, r#"{"a": "x.jpg"}"#, false),
    (r#"{"a": [{"equals-ignore-case": "AlIce"}]}"#, r#"{"a": "alice"}"#, true),
    (r#"{"a": [{"equals-ignore-case": "alice"}]}"#, r#"{"a": "alicia"}"#, false),
    (r#"{"a": [{"wildcard": "dir/*.png"}]}"#, r#"{"a": "dir/x/y.png"}"#, true),
    (r#"{"a": [{"wildcard": "dir/*.png"}]}"#, r#"{"a": "dir/x/y.pn"}"#, false),
    (r#"{"a": [{"anything-but": "x"}]}"#, r#"{"a": "y"}"#, true),
    (r#"{"a": [{"anything-but": ["x", "y"]}]}"#, r#"{"a": "y"}"#, false),
    (r#"{"a": [{"anything-but": [1, 2]}]}"#, r#"{"a": 3}"#, true),
    (r#"{"a": [{"anything-but": "x"}]}"#, r#"{"b": 1}"#, false),
    (r#"{"a": [{"numeric": [">", 0, "<=", 5]}]}"#, r#"{"a": 5}"#, true),
    (r#"{"a": [{"numeric": [">", 0, "<=", 5]}]}"#, r#"{"a": -1}"#, false),
    (r#"{"a": [{"numeric": ["=", 300]}]}"#, r#"{"a": 3.0e2}"#, true),
    (r#"{"a": [{"numeric": [">", 1]}]}"#, r#"{"a": "2"}"#, false),
    (r#"{"a": [{"cidr": "10.0.0.0/24"}]}"#, r#"{"a": "10.0.0.7"}"#, true),
    (r#"{"a": [{"cidr": "10.0.0.0/24"}]}"#, r#"{"a": "10.0.1.7"}"#, false),
    (r#"{"a": {"b": [{"exists": true}]}}"#, r#"{"a": {"b": null}}"#, true),
    (r#"{"a": {"b": [{"exists": true}]}}"#, r#"{"a": {"c": 1}}"#, false),
    (r#"{"a": {"b": [{"exists": false}]}}"#, r#"{"a": {"c": 1}}"#, true),
    (r#"{"a": {"b": [{"exists": false}]}}"#, r#"{}"#, true),
    (r#"{"a": {"b": [{"exists": false}]}}"#, r#"{"a": {"b": 1}}"#, false),
    // One and the same item of a list has to have all of it.
    (
        r#"{"p": {"first": ["Anna"], "last": ["Jones"]}}"#,
        r#"{"p": [{"first": "Anna", "last": "Jones"}]}"#,
        true,
    ),
    (
        r#"{"p": {"first": ["Anna"], "last": ["Jones"]}}"#,
        r#"{"p": [{"first": "Anna", "last": "Smith"}, {"first": "Bob", "last": "Jones"}]}"#,
        false,
    ),
];

/// As above, of what the other implementation does not know, or where it differs from AWS's pages.
const OURS: &[(&str, &str, bool)] = &[
    // "300, 300.0, and 3.0e2 are not considered equal."
    (r#"{"a": [300]}"#, r#"{"a": 300.0}"#, false),
    (r#"{"a": [{"numeric": [">", 0, "<=", 5]}]}"#, r#"{"a": 0}"#, false),
    (r#"{"a": [{"prefix": {"equals-ignore-case": "EventB"}}]}"#, r#"{"a": "eventbridge"}"#, true),
    (r#"{"a": [{"suffix": {"equals-ignore-case": "BRIDGE"}}]}"#, r#"{"a": "eventbridge"}"#, true),
    (r#"{"a": [{"anything-but": {"prefix": "us-"}}]}"#, r#"{"a": "eu-west-1"}"#, true),
    (r#"{"a": [{"anything-but": {"prefix": ["us-", "eu-"]}}]}"#, r#"{"a": "eu-west-1"}"#, false),
    (r#"{"a": [{"anything-but": {"suffix": ".png"}}]}"#, r#"{"a": "x.png"}"#, false),
    (r#"{"a": [{"anything-but": {"equals-ignore-case": "x"}}]}"#, r#"{"a": "X"}"#, false),
    (r#"{"a": [{"anything-but": {"wildcard": "*/lib/*"}}]}"#, r#"{"a": "usr/bin/x"}"#, true),
    (r#"{"$or": [{"a": [1]}, {"b": [2]}]}"#, r#"{"b": 2}"#, true),
    (r#"{"$or": [{"a": [1]}, {"b": [2]}]}"#, r#"{"b": 1}"#, false),
    (r#"{"c": [1], "$or": [{"a": [1]}, {"b": [2]}]}"#, r#"{"b": 2}"#, false),
    (r#"{"x": {"$or": [{"a": [1]}, {"b": [2], "c": [3]}]}}"#, r#"{"x": {"b": 2, "c": 3}}"#, true),
    // One alternative is no choice: a field of that name.
    (r#"{"$or": [1]}"#, r#"{"$or": 1}"#, true),
    // What is nowhere may not be in another item of the list either.
    (r#"{"a": {"b": [{"exists": false}]}}"#, r#"{"a": [{"c": 1}, {"b": 1}]}"#, false),
    // "Exists match only works on leaf nodes."
    (r#"{"a": [{"exists": true}]}"#, r#"{"a": {"b": 1}}"#, false),
    (r#"{"a": [{"exists": false}, "x"]}"#, r#"{"a": "x"}"#, true),
];

fn matches(pattern: &str, event: &str) -> bool {
    let pattern = Pattern::parse(pattern, Dialect::Rule).unwrap_or_else(|error| panic!("{pattern}: {error}"));
    pattern.matches(&Event::parse(event).expect("examples are JSON"))
}

#[test]
fn events_meet_what_the_pages_say() {
    for (pattern, event, expected) in EXAMPLES.iter().chain(OURS) {
        assert_eq!(matches(pattern, event), *expected, "{pattern} {event}");
    }
}

#[test]
fn another_implementation_agrees_where_it_knows_the_operator() {
    for (pattern, event, expected) in EXAMPLES {
        let mut other = quamina::Quamina::new();
        other.add_pattern("p", pattern).unwrap_or_else(|error| panic!("{pattern}: {error:?}"));
        let found = !other.matches_for_event(event.as_bytes()).unwrap().is_empty();
        assert_eq!(found, *expected, "{pattern} {event}");
    }
}

#[test]
fn all_patterns_at_once_find_what_each_finds_alone() {
    let all: Vec<&str> = EXAMPLES.iter().chain(OURS).map(|(pattern, _, _)| *pattern).collect();
    let parse = |pattern: &str| Pattern::parse(pattern, Dialect::Rule).unwrap();
    let index = Index::new(all.iter().enumerate().map(|(at, pattern)| (at, parse(pattern))));
    for (_, event, _) in EXAMPLES.iter().chain(OURS) {
        let alone = all.iter().enumerate().filter(|(_, pattern)| matches(pattern, event)).map(|(at, _)| at);
        let together = index.matches(&Event::parse(event).unwrap()).into_iter().copied();
        assert!(alone.eq(together), "{event}");
    }
}

#[test]
fn what_is_no_pattern_is_refused_with_the_reason() {
    for (pattern, reason) in [
        ("[]", "Filter is not an object"),
        ("{}", "Empty objects are not allowed"),
        (r#"{"a": {}}"#, "Empty objects are not allowed"),
        (r#"{"a": []}"#, "Empty arrays are not allowed"),
        (r#"{"a": "x"}"#, "\"a\" must be an object or an array"),
        (r#"{"a": [["x"]]}"#, "Match value must be String, number, true, false, or null"),
        (r#"{"a": [{"regex": "x"}]}"#, "Unrecognized match type regex"),
        (r#"{"a": [{"prefix": "x", "suffix": "y"}]}"#, "Only one key allowed in match expression"),
        (r#"{"a": [{"prefix": 1}]}"#, "prefix match pattern must be a string"),
        (r#"{"a": [{"exists": "yes"}]}"#, "exists match pattern must be either true or false."),
        (r#"{"a": [{"anything-but": [1, "x"]}]}"#, "mixed type is not supported"),
        (r#"{"a": [{"anything-but": []}]}"#, "Empty arrays are not allowed"),
        (r#"{"a": [{"anything-but": {"numeric": [1]}}]}"#, "Unsupported anything-but pattern: numeric"),
        (r#"{"a": [{"wildcard": "x**"}]}"#, "Consecutive wildcard characters at pos 1"),
        ("{", "not JSON"),
    ] {
        let error = Pattern::parse(pattern, Dialect::Rule).unwrap_err().to_string();
        assert!(error.contains(reason), "{pattern}: {error}");
    }
    let choice = |name: &str| {
        let entries: Vec<String> = (0..11).map(|n| format!("{{\"{name}{n}\":[1]}}")).collect();
        format!("{{\"$or\":[{}]}}", entries.join(","))
    };
    let complex = format!("{{\"a\":{},\"b\":{},\"c\":{}}}", choice("a"), choice("b"), choice("c"));
    assert!(Pattern::parse(&complex, Dialect::Rule).unwrap_err().to_string().contains("combinations"));
}

#[test]
fn each_service_has_its_part_of_the_language() {
    let parses = |pattern, dialect| Pattern::parse(pattern, dialect).is_ok();
    for pattern in [
        r#"{"a": [{"wildcard": "x*"}]}"#,
        r#"{"a": [{"cidr": "10.0.0.0/8"}]}"#,
        r#"{"a": [{"anything-but": {"prefix": "x"}}]}"#,
    ] {
        assert!(parses(pattern, Dialect::Rule) && !parses(pattern, Dialect::Mapping), "{pattern}");
    }
    let nested = r#"{"a": {"b": ["x"]}}"#;
    assert!(parses(nested, Dialect::Body) && !parses(nested, Dialect::Attributes));
    // Filter policies compare numbers, and rules their texts.
    let number = |dialect| Pattern::parse(r#"{"a": [300]}"#, dialect).unwrap();
    let event = Event::parse(r#"{"a": 3.0e2}"#).unwrap();
    assert!(number(Dialect::Body).matches(&event) && !number(Dialect::Mapping).matches(&event));
}
