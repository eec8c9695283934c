//! The language by tables: the User Guide's examples, and what is between them.

use super::*;

fn matches(pattern: &str, message: &str) -> bool {
    Pattern::parse(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}")).matches(message)
}

#[test]
fn terms_are_required_optional_or_excluded() {
    let message = "[ERROR 400] BAD REQUEST for ExiT_1\n";
    for (pattern, expected) in [
        ("", true),
        ("  ", true),
        ("ERROR", true),
        ("error", false),
        ("ERROR REQUEST", true),
        ("ERROR ARGUMENTS", false),
        ("\"[ERROR 400]\"", true),
        ("\"ERROR  400\"", false),
        ("?ARGUMENTS ?BAD", true),
        ("?ARGUMENTS ?GOOD", false),
        ("ERROR ?ARGUMENTS", true),
        ("ERROR -REQUEST", false),
        ("ERROR -\"no such\"", true),
        ("-GOOD", true),
        ("?BAD -ERROR", false),
        ("%4[0-9]{2}%", true),
        ("%^ERROR%", false),
        ("ERROR -%E[a-z]+T_%", false),
        (r#""say \"no\"""#, false),
    ] {
        assert_eq!(matches(pattern, message), expected, "{pattern}");
    }
    assert!(matches(r#""say \"no\"""#, r#"they say "no" again"#));
}

#[test]
fn members_are_selected_and_compared() {
    let message = r#"{"eventType": "UpdateTrail", "sourceIPAddress": "111.111.111.111", "arrayKey": ["value", "another"],
        "objectList": [{"name": "a", "id": 1}, {"name": "b", "id": 2}], "SomeObject": null, "ThisFlag": true,
        "n": 4.5e2, "a.b": "dotted", "user": {"id": 1, "email": "John.Stiles@example.com"}}"#;
    for (pattern, expected) in [
        (r#"{ $.eventType = "UpdateTrail" }"#, true),
        ("{ $.eventType = UpdateTrail }", true),
        (r#"{$.eventType="Update*"}"#, true),
        (r#"{ $.eventType = "*date*il" }"#, true),
        (r#"{ $.eventType != "UpdateTrail" }"#, false),
        (r#"{ $.absent != "x" }"#, false),
        (r#"{ $.sourceIPAddress != 123.123.* }"#, true),
        (r#"{ $.sourceIPAddress = 111.111.* }"#, true),
        (r#"{ $.arrayKey[0] = "value" }"#, true),
        (r#"{ $.arrayKey[1] = "value" }"#, false),
        (r#"{ $.arrayKey[*] = "another" }"#, true),
        ("{ $.objectList[1].id = 2 }", true),
        ("{ $.objectList[*].id > 1 }", true),
        ("{ $.objectList[*].id > 2 }", false),
        ("{ $.SomeObject IS NULL }", true),
        ("{ $.SomeOtherObject NOT EXISTS }", true),
        ("{ $.SomeObject NOT EXISTS }", false),
        ("{ $.ThisFlag IS TRUE }", true),
        ("{ $.ThisFlag is false }", false),
        ("{ $.n = 450 }", true),
        ("{ $.n >= 4.5e2 && $.n <= 450 }", true),
        ("{ $.n < 1e2 }", false),
        (r#"{ $.["a.b"] = "dotted" }"#, true),
        ("{ $['a.b'] = dotted }", true),
        ("{ $.eventType = %Trail$% }", true),
        ("{ $.user.email != %stiles% }", true),
        (r#"{ ($.user.id = 1) && ($.user.email = "John.*") }"#, true),
        (r#"{ $.user.id = 2 || ($.n = 450 && $.eventType = "x") || $.ThisFlag IS TRUE }"#, true),
        (r#"{ $.user.id = 2 || $.n = 1 && $.ThisFlag IS TRUE }"#, false),
    ] {
        assert_eq!(matches(pattern, message), expected, "{pattern}");
    }
    assert!(!matches("{ $.a = 1 }", "no JSON"));
    assert!(matches("{ $.a NOT EXISTS }", "{}\n"));
    let pattern = Pattern::parse("{ $.user.id = 1 && $.arrayKey[*] = * || $.gone = 1 }").unwrap();
    let expected = [("$.arrayKey[*]", "value"), ("$.user.id", "1")];
    assert_eq!(pattern.extract(message), expected.map(|(k, v)| (k.to_owned(), v.to_owned())).into());
}

#[test]
fn words_are_counted_and_compared() {
    let line = r#"127.0.0.1 - frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534"#;
    for (pattern, expected) in [
        ("[ip, id, user, timestamp, request, status_code, bytes]", true),
        ("[ip, id, user, timestamp, request, status_code]", false),
        ("[ip, id, user, timestamp, request, status_code = 4*, bytes]", true),
        ("[ip, id, user, timestamp, request, status_code = 5*, bytes]", false),
        ("[ip, id, user, timestamp, request = \"GET*\", status_code, bytes > 1000]", true),
        ("[..., status = 404, bytes > 1000]", true),
        ("[ip, ..., bytes < 1000]", false),
        ("[ip = 127.*, ...]", true),
        ("[..., request = *html*, status_code = 4* || status_code = 5*, bytes]", true),
        ("[..., status_code != 404, bytes]", false),
        ("[..., (status_code >= 400 && status_code < 500), bytes]", true),
        ("[..., request = %index\\.html%, s, b]", true),
        ("[a, b, c, d, e, f, ..., g]", true),
        ("[a, b, c, d, e, f, g, ..., h]", false),
    ] {
        assert_eq!(matches(pattern, line), expected, "{pattern}");
    }
    let extracted = Pattern::parse("[ip, , ..., bytes]").unwrap().extract(line);
    assert_eq!(extracted["$ip"], "127.0.0.1");
    assert_eq!((extracted["$2"].as_str(), extracted["$3"].as_str()), ("-", "frank"));
    assert_eq!(extracted["$bytes"], "1534");
}

#[test]
fn what_is_no_pattern_is_refused() {
    for pattern in [
        "{ $.a }",
        "{ $.a = }",
        "{ $.a = 1",
        "{ $.a = 1 } x",
        "{ $.a > \"x\" }",
        "{ $ = 1 }",
        "{ $.a IS HERE }",
        "{ $.a[x] = 1 }",
        "{ a = 1 }",
        "[a, b",
        "[a = ]",
        "[..., a, ...]",
        "[a = 1 && b = 2]",
        "\"open",
        "%open",
        "%(a)%",
        "%[%",
        "%a{1000}{1000}%",
        "a.b",
        "?",
        "-",
    ] {
        assert!(Pattern::parse(pattern).is_err(), "{pattern}");
    }
    let deep = format!("{{ {}$.a = 1{} }}", "(".repeat(70), ")".repeat(70));
    assert!(Pattern::parse(&deep).is_err());
}
