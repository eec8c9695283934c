use serde_json::{Value, json};

use super::*;

fn launch(change: impl FnOnce(&mut Value)) -> Value {
    let layout = json!({
        "reach": "Loopback", "trees": [], "tmp": 1, "lowest_port": 1, "open": false, "snapshots": "No",
    });
    let mut launch = json!({"Launch": {
        "id": "a-1", "confinement": {"Namespaces": layout}, "memory": 1, "pids": 1,
    }});
    change(&mut launch["Launch"]);
    launch
}

fn assign(trees: &Value) -> Value {
    json!({"Assign": {"id": "a-1", "trees": trees, "memory": 1}})
}

fn unpack() -> Value {
    json!({"Unpack": {"id": 1, "bytes": 1, "entries": 1}})
}

fn decode(message: &Value, descriptors: usize) -> Result<ToLauncher, Rejection> {
    decode_request(message.to_string().as_bytes(), descriptors)
}

#[test]
fn what_a_server_asks_is_carried_out() {
    for (message, descriptors) in [
        (launch(|_| ()), 3),
        (launch(|launch| launch["confinement"] = json!("Process")), 3),
        (unpack(), 3),
        (assign(&json!([{"source": "/a", "target": "Task"}, {"source": "/a", "target": "Opt"}])), 0),
        (json!({"Kill": {"id": "a-1"}}), 0),
        (json!({"SetCpu": {"id": "a-1", "millis": null}}), 0),
        (json!({"StopUnpack": {"id": 1}}), 0),
        (json!({"Snapshot": {"id": "a-1", "snapshot": "b-1", "asking": null}}), 0),
        (
            json!({"Snapshot": {"id": "a-1", "snapshot": "b-1", "asking": {"from": "127.0.0.1:40000", "to": "127.0.0.1:9001"}}}),
            0,
        ),
        (json!({"Restore": {"id": "a-1", "snapshot": "b-1", "request": "GET / HTTP/1.1\r\n\r\n"}}), 0),
        (json!({"Forget": {"snapshot": "b-1"}}), 0),
    ] {
        assert!(decode(&message, descriptors).is_ok(), "{message}");
    }
}

#[test]
fn what_cannot_be_done_is_refused_with_a_reason() {
    let tree = |source: &str, target: &str| json!({"source": source, "target": target});
    let layout = |name: &'static str, value: Value| {
        launch(move |launch| launch["confinement"]["Namespaces"][name] = value)
    };
    for (message, descriptors, reason) in [
        (launch(|_| ()), 0, "a launch came with 0 descriptors instead of 3"),
        (launch(|_| ()), 16, "a launch came with 16 descriptors instead of 3"),
        (layout("tmp", json!(0)), 3, "/tmp needs a size above 0"),
        (
            layout("tmp", json!(u64::MAX)),
            3,
            "/tmp of 18446744073709551615 bytes is larger than the 10737418240 of 10,240 MB",
        ),
        (
            layout("trees", json!([tree("/a", "Opt"), tree("/b", "Opt")])),
            3,
            "two directories were to be mounted at /opt",
        ),
        (layout("trees", json!([tree("a/b", "Task")])), 3, "a/b is not an absolute path"),
        (assign(&json!([])), 1, "an assignment came with 1 descriptors instead of 0"),
        (
            assign(&json!([tree("/a", "Task"), tree("/b", "Task")])),
            0,
            "two directories were to be mounted at /var/task",
        ),
        (assign(&json!([tree("../a", "Opt")])), 0, "../a is not an absolute path"),
        (unpack(), 2, "unpacking came with 2 descriptors instead of 3"),
    ] {
        let answer = match decode(&message, descriptors) {
            Err(Rejection::Refused(answer)) => *answer,
            other => panic!("{message}: {other:?}"),
        };
        let failure = match answer {
            FromLauncher::LaunchFailed { id, failure } if id == "a-1" => failure,
            FromLauncher::Assigned { id, failure: Some(failure) } if id == "a-1" => failure,
            FromLauncher::Unpacked { id: 1, end: UnpackEnd::Failed(failure) } => failure,
            other => panic!("{message}: {other:?}"),
        };
        assert_eq!(failure.to_string(), reason);
    }
}

#[test]
fn what_is_no_request_ends_the_conversation() {
    let hello = json!({"Hello": {
        "version": crate::VERSION, "instance": "a", "purpose": "Serve", "scratch": null,
        "nat": null, "server": null, "trees": {"beneath": ["/"], "folders": []}, "snapshots": null,
    }});
    let long = "x".repeat(LONGEST_ID + 1);
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let named = |id: &str| launch(|launch| launch["id"] = json!(id)).to_string();
    let texts = [
        // The rights were handed over with the first one; a second could ask for more.
        hello.to_string(),
        named(""),
        named(&long),
        named("../other"),
        named("a\u{0}"),
        json!({"Kill": {"id": "a/b"}}).to_string(),
        json!({"SetCpu": {"id": "", "millis": 1}}).to_string(),
        json!({"Snapshot": {"id": "a", "snapshot": "../b", "asking": null}}).to_string(),
        json!({"Restore": {"id": "a", "snapshot": ".", "request": ""}}).to_string(),
        json!({"Forget": {"snapshot": ""}}).to_string(),
        json!({"SetCpu": {"id": "a", "millis": -1}}).to_string(),
        json!({"Assign": {"id": "a/b", "trees": [], "memory": 1}}).to_string(),
        json!({"Assign": {"id": "a", "trees": [{"source": "/a", "target": "/etc"}], "memory": 1}})
            .to_string(),
        json!({"Unpack": {"id": -1, "bytes": 1, "entries": 1}}).to_string(),
        launch(|launch| launch["extra"] = json!(1)).to_string(),
        launch(|launch| launch["confinement"]["Namespaces"]["reach"] = json!("Moon")).to_string(),
        json!({"Fly": 1}).to_string(),
        String::new(),
        "{".to_owned(),
        deep,
    ];
    for text in texts {
        let decoded = decode_request(text.as_bytes(), 3);
        assert!(matches!(decoded, Err(Rejection::Foreign(_))), "{text:.80}: {decoded:?}");
    }
    assert!(matches!(decode_request(&[0xff; 100], 0), Err(Rejection::Foreign(_))));
}
