//! Operations that change something.

use super::*;

#[tokio::test]
async fn groups_and_streams_come_and_go() {
    let service = Service::new();
    let group = json!({"logGroupName": GROUP});
    let stream = json!({"logGroupName": GROUP, "logStreamName": "s"});
    let absent =
        ("ResourceNotFoundException".to_owned(), "The specified log group does not exist.".to_owned());
    assert_eq!(service.refusal("CreateLogStream", stream.clone()).await, absent);
    let create = json!({"logGroupName": GROUP, "tags": {"team": "a"}, "logGroupClass": "INFREQUENT_ACCESS"});
    assert_eq!(service.empty("CreateLogGroup", create).await, 200);
    let again = service.refusal("CreateLogGroup", group.clone()).await;
    assert_eq!(
        again,
        ("ResourceAlreadyExistsException".to_owned(), "The specified log group already exists".to_owned())
    );
    assert_eq!(service.empty("CreateLogStream", stream.clone()).await, 200);
    let again = service.refusal("CreateLogStream", stream.clone()).await;
    assert_eq!(again.1, "The specified log stream already exists");
    let described = service.ok("DescribeLogGroups", json!({})).await;
    assert_eq!(described["logGroups"][0]["logGroupClass"], "INFREQUENT_ACCESS");
    let described = service.ok("DescribeLogStreams", group.clone()).await;
    let expected = json!([{"logStreamName": "s", "creationTime": NOW_MS, "arn": format!("{ARN}:log-stream:s"), "storedBytes": 0}]);
    assert_eq!(described["logStreams"], expected, "a stream without events has no times");

    service.put(&[(0, "kept"), (1, "also")]).await;
    assert_eq!(service.empty("DeleteLogStream", stream.clone()).await, 200);
    assert_eq!(
        service.refusal("DeleteLogStream", stream.clone()).await.1,
        "The specified log stream does not exist."
    );
    let found = service.ok("FilterLogEvents", group.clone()).await;
    assert_eq!(found["events"], json!([]), "events go with their stream");
    // The name is free again, and its earlier events do not come back.
    assert_eq!(service.empty("CreateLogStream", stream).await, 200);
    service.put(&[(2, "anew")]).await;
    let found = service.ok("FilterLogEvents", group.clone()).await;
    assert_eq!(column(&found, "events", "message"), ["anew"]);

    assert_eq!(service.empty("DeleteLogGroup", group.clone()).await, 200);
    assert_eq!(service.refusal("DeleteLogGroup", group).await, absent);
    assert_eq!(service.ok("DescribeLogGroups", json!({})).await["logGroups"], json!([]));
    // A function that writes on makes its group anew.
    service.write(GROUP, &[("s", 3, "line")]);
    let found = service.ok("FilterLogEvents", json!({"logGroupName": GROUP})).await;
    assert_eq!(column(&found, "events", "message"), ["line"]);
}

#[tokio::test]
async fn events_are_taken_in_order_and_within_their_window() {
    const DAY_MS: i64 = 86_400_000;
    let service = Service::new();
    service.empty("CreateLogGroup", json!({"logGroupName": GROUP})).await;
    service.empty("CreateLogStream", json!({"logGroupName": GROUP, "logStreamName": "s"})).await;
    let answer = service
        .put(&[(-15 * DAY_MS, "too old"), (-1_000, "old"), (0, "now"), (3 * 3_600_000, "too new")])
        .await;
    assert_eq!(
        answer["rejectedLogEventsInfo"],
        json!({"tooNewLogEventStartIndex": 3, "tooOldLogEventEndIndex": 1})
    );
    assert!(answer["nextSequenceToken"].is_string());
    service.empty("PutRetentionPolicy", json!({"logGroupName": GROUP, "retentionInDays": 1})).await;
    let answer = service.put(&[(-2 * DAY_MS, "expired"), (5, "kept")]).await;
    assert_eq!(answer["rejectedLogEventsInfo"], json!({"expiredLogEventEndIndex": 1}));
    // What an agent says of who writes is not kept; what it writes is.
    let entity = json!({"keyAttributes": {"Type": "Service", "Name": "orders"}});
    let events = json!([{"timestamp": NOW_MS + 6, "message": "of an entity"}]);
    let input = json!({"logGroupName": GROUP, "logStreamName": "s", "logEvents": events, "entity": entity});
    let answer = service.ok("PutLogEvents", input).await;
    assert_eq!(answer["rejectedEntityInfo"], json!({"errorType": "UnsupportedLogGroupType"}));
    let found = service.ok("GetLogEvents", json!({"logGroupName": GROUP, "logStreamName": "s"})).await;
    assert_eq!(column(&found, "events", "message"), ["old", "now", "kept", "of an entity"]);

    let event = |after_ms: i64, message: &str| json!({"timestamp": NOW_MS + after_ms, "message": message});
    let half = "x".repeat(600_000);
    for (events, message) in [
        (vec![event(1, "b"), event(0, "a")], "must be in chronological order"),
        (vec![event(-DAY_MS, "a"), event(1, "b")], "cannot span more than 24 hours"),
        (vec![event(0, &half), event(1, &half)], "Upload too large: 1200052 bytes exceeds limit of 1048576"),
        (vec![event(0, &half.repeat(2))], "Log event too large: 1200026 bytes exceeds limit of 1048576"),
        (vec![], "Member must have length greater than or equal to 1"),
    ] {
        let input = json!({"logGroupName": GROUP, "logStreamName": "s", "logEvents": events});
        service.empty("DeleteRetentionPolicy", json!({"logGroupName": GROUP})).await;
        let (code, text) = service.refusal("PutLogEvents", input).await;
        assert!(code == "InvalidParameterException" && text.contains(message), "{code}: {text}");
    }
}

#[tokio::test]
async fn retention_hides_at_once_and_deletes_whole_segments() {
    let service = Service::new();
    service.write(GROUP, &[("s", 0, "first")]);
    let refused =
        service.refusal("PutRetentionPolicy", json!({"logGroupName": GROUP, "retentionInDays": 2})).await;
    assert!(refused.1.contains("enum value set: [1, 3, 5"), "{}", refused.1);
    service.empty("PutRetentionPolicy", json!({"logGroupName": GROUP, "retentionInDays": 1})).await;
    let described = service.ok("DescribeLogGroups", json!({})).await;
    assert_eq!(described["logGroups"][0]["retentionInDays"], 1);
    service.clock.advance(25 * 3_600_000);
    // Within the same segment.
    service.write(GROUP, &[("s", 25 * 3_600_000, "second")]);
    let found = service.ok("FilterLogEvents", json!({"logGroupName": GROUP})).await;
    assert_eq!(column(&found, "events", "message"), ["second"]);
    service.clock.advance(48 * 3_600_000);
    // Any change looks for what is old; this one is there to make it look.
    service.empty("TagLogGroup", json!({"logGroupName": GROUP, "tags": {"a": "b"}})).await;
    let segments = &service.logs.inner.segments;
    let id = service
        .logs
        .inner
        .readers
        .ask(|conn| crate::logs::catalog::read::group(conn, &scope(), GROUP))
        .unwrap();
    let id = id.expect("the group is there").id;
    // The writer tidies up after it has answered: the next answer comes after that.
    service.empty("UntagLogGroup", json!({"logGroupName": GROUP, "tags": ["a"]})).await;
    assert!(segments.of(id).is_empty());
    let described = service.ok("DescribeLogGroups", json!({})).await;
    assert_eq!(described["logGroups"][0]["storedBytes"], 0);
}

#[tokio::test]
async fn tags_hang_on_groups_by_name_and_by_arn() {
    let service = Service::new();
    service.empty("CreateLogGroup", json!({"logGroupName": GROUP})).await;
    service.empty("TagResource", json!({"resourceArn": ARN, "tags": {"a": "1", "b": "2"}})).await;
    service.empty("TagLogGroup", json!({"logGroupName": GROUP, "tags": {"a": "3"}})).await;
    service.empty("UntagResource", json!({"resourceArn": ARN, "tagKeys": ["b", "none"]})).await;
    let tags = json!({"tags": {"a": "3"}});
    assert_eq!(service.ok("ListTagsForResource", json!({"resourceArn": ARN})).await, tags);
    assert_eq!(service.ok("ListTagsLogGroup", json!({"logGroupName": GROUP})).await, tags);
    let many: serde_json::Map<String, Value> = (0..50).map(|n| (format!("k{n}"), json!("v"))).collect();
    let refused = service.refusal("TagResource", json!({"resourceArn": ARN, "tags": many})).await;
    assert_eq!(refused.0, "TooManyTagsException");
    let refused =
        service.refusal("TagLogGroup", json!({"logGroupName": GROUP, "tags": {"aws:x": "y"}})).await;
    assert_eq!(refused.0, "InvalidParameterException");
    let refused = service
        .refusal("ListTagsForResource", json!({"resourceArn": ARN.replace("us-east-1", "eu-west-1")}))
        .await;
    assert_eq!(refused.0, "ResourceNotFoundException");
}

#[tokio::test]
async fn filters_and_policies_are_stored_and_checked() {
    let service = Service::new();
    service.empty("CreateLogGroup", json!({"logGroupName": GROUP})).await;
    let metric = json!({"metricName": "m", "metricNamespace": "n", "metricValue": "1"});
    let filter = |name: &str| json!({"logGroupName": GROUP, "filterName": name, "filterPattern": "ERROR", "metricTransformations": [metric]});
    for name in ["b", "a"] {
        service.empty("PutMetricFilter", filter(name)).await;
    }
    let first = service.ok("DescribeMetricFilters", json!({"logGroupName": GROUP, "limit": 1})).await;
    assert_eq!(column(&first, "metricFilters", "filterName"), ["a"]);
    let token = json!({"logGroupName": GROUP, "limit": 1, "nextToken": first["nextToken"]});
    let rest = service.ok("DescribeMetricFilters", token).await;
    assert_eq!((column(&rest, "metricFilters", "filterName"), rest.get("nextToken")), (vec!["b"], None));
    let described = service.ok("DescribeLogGroups", json!({})).await;
    assert_eq!(described["logGroups"][0]["metricFilterCount"], 2);
    let refused = service
        .refusal(
            "PutMetricFilter",
            json!({"logGroupName": GROUP, "filterName": "c", "filterPattern": "{ $ }",
        "metricTransformations": [metric]}),
        )
        .await;
    assert!(refused.1.contains("Invalid filter pattern"), "{refused:?}");
    service.empty("DeleteMetricFilter", json!({"logGroupName": GROUP, "filterName": "a"})).await;
    let refused =
        service.refusal("DeleteMetricFilter", json!({"logGroupName": GROUP, "filterName": "a"})).await;
    assert_eq!(refused.1, "The specified metric filter does not exist.");

    let tested =
        json!({"filterPattern": "[ip, code = 4*]", "logEventMessages": ["1.2.3.4 404", "1.2.3.4 200"]});
    let expected = json!({"matches": [{"eventNumber": 1, "eventMessage": "1.2.3.4 404",
        "extractedValues": {"$ip": "1.2.3.4", "$code": "404"}}]});
    assert_eq!(service.ok("TestMetricFilter", tested).await, expected);

    let arn = "arn:aws:lambda:us-east-1:000000000000:function:f";
    for name in ["one", "two", "two"] {
        let input =
            json!({"logGroupName": GROUP, "filterName": name, "filterPattern": "", "destinationArn": arn});
        service.empty("PutSubscriptionFilter", input).await;
    }
    let third =
        json!({"logGroupName": GROUP, "filterName": "three", "filterPattern": "", "destinationArn": arn});
    assert_eq!(service.refusal("PutSubscriptionFilter", third).await.0, "LimitExceededException");
    let shown = service.ok("DescribeSubscriptionFilters", json!({"logGroupName": GROUP})).await;
    assert_eq!(column(&shown, "subscriptionFilters", "filterName"), ["one", "two"]);
    assert_eq!(shown["subscriptionFilters"][0]["distribution"], "ByLogStream");
    let bucket = json!({"logGroupName": GROUP, "filterName": "one", "filterPattern": "", "destinationArn": "arn:aws:s3:::b"});
    assert!(service.refusal("PutSubscriptionFilter", bucket).await.1.contains("vendor s3"));

    let document = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"logs:PutLogEvents","Resource":"*"}]}"#;
    let policy = json!({"policyName": "p", "policyDocument": document});
    service.ok("PutResourcePolicy", policy).await;
    for malformed in ["no", "{\"Statement\":[]}"] {
        let policy = json!({"policyName": "p", "policyDocument": malformed});
        assert_eq!(service.refusal("PutResourcePolicy", policy).await.0, "InvalidParameterException");
    }
    let shown = service.ok("DescribeResourcePolicies", json!({})).await;
    assert_eq!(column(&shown, "resourcePolicies", "policyName"), ["p"]);
    service.empty("DeleteResourcePolicy", json!({"policyName": "p"})).await;
    assert_eq!(
        service.refusal("DeleteResourcePolicy", json!({"policyName": "p"})).await.1,
        "Policy with name [p] does not exist."
    );

    // Everything that hangs on a group goes with it.
    service.empty("DeleteLogGroup", json!({"logGroupName": GROUP})).await;
    service.empty("CreateLogGroup", json!({"logGroupName": GROUP})).await;
    let shown = service.ok("DescribeSubscriptionFilters", json!({"logGroupName": GROUP})).await;
    assert_eq!(shown["subscriptionFilters"], json!([]));
}
