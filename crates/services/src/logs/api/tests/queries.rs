//! Insights, from the start of a query to a single record.

use super::*;

/// 2026-01-31T12:00:00Z in seconds.
const NOW_S: i64 = NOW_MS / 1_000;

impl Service {
    /// Runs a query to its end.
    async fn query(&self, text: &str) -> Value {
        let input =
            json!({"logGroupName": GROUP, "startTime": NOW_S - 60, "endTime": NOW_S, "queryString": text});
        let started = self.ok("StartQuery", input).await;
        loop {
            let results = self.ok("GetQueryResults", json!({"queryId": started["queryId"]})).await;
            if !["Scheduled", "Running"].contains(&results["status"].as_str().expect("a text")) {
                return results;
            }
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn a_query_gives_rows_and_each_row_its_record() {
    let service = Service::new();
    service.write(GROUP, &[("s", -2, "{\"n\":1}"), ("t", -1, "{\"n\":2}"), ("t", 5_000, "{\"n\":3}")]);
    let results = service.query("fields n, @logStream | sort n desc").await;
    assert_eq!(results["status"], "Complete");
    let row = &results["results"][0];
    assert_eq!(
        (&row[0], &row[1]),
        (&json!({"field": "n", "value": "2"}), &json!({"field": "@logStream", "value": "t"}))
    );
    assert_eq!(row[2]["field"], "@ptr");
    let counts =
        ["recordsMatched", "recordsScanned", "bytesScanned"].map(|name| results["statistics"][name].as_f64());
    assert_eq!(counts, [Some(2.0), Some(2.0), Some(16.0)]);

    let record = service.ok("GetLogRecord", json!({"logRecordPointer": row[2]["value"]})).await;
    assert_eq!(record["logRecord"]["@message"], "{\"n\":2}");
    assert_eq!((&record["logRecord"]["n"], &record["logRecord"]["@logStream"]), (&json!("2"), &json!("t")));
    assert_eq!(record["logRecord"]["@timestamp"], (NOW_MS - 1).to_string());
    let fields = service.ok("GetLogGroupFields", json!({"logGroupName": GROUP})).await;
    let found = fields["logGroupFields"].as_array().expect("a list");
    assert!(found.contains(&json!({"name": "n", "percent": 100})), "{fields}");

    let list = service.ok("DescribeQueries", json!({"logGroupName": GROUP, "status": "Complete"})).await;
    assert_eq!(list["queries"][0]["queryString"], "fields n, @logStream | sort n desc");
    let stop = service.refusal("StopQuery", json!({"queryId": list["queries"][0]["queryId"]})).await;
    assert!(stop.1.contains("is not running"), "{stop:?}");
}

#[tokio::test]
async fn what_cannot_be_queried_is_refused() {
    let service = Service::new();
    service.write(GROUP, &[("s", 0, "x")]);
    let query = |change: Value| {
        let mut input = json!({"startTime": NOW_S - 60, "endTime": NOW_S, "queryString": "limit 1", "logGroupName": GROUP});
        input.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        input
    };
    for (change, code, message) in [
        (json!({"queryString": "filter"}), "MalformedQueryException", "unexpected end"),
        (
            json!({"logGroupName": "no"}),
            "ResourceNotFoundException",
            "Log group 'no' does not exist for account ID",
        ),
        (json!({"logGroupNames": [GROUP]}), "InvalidParameterException", "exactly one of"),
        (json!({"endTime": 0}), "InvalidParameterException", "startTime is after endTime"),
        (json!({"queryLanguage": "SQL"}), "InvalidParameterException", "is not supported"),
    ] {
        let (found, text) = service.refusal("StartQuery", query(change)).await;
        assert!(found == code && text.contains(message), "{found}: {text}");
    }
    let (_, malformed) = service.ask("StartQuery", query(json!({"queryString": "fields a | b"}))).await;
    assert_eq!(
        malformed["queryCompileError"]["location"],
        json!({"startCharOffset": 11, "endCharOffset": 12})
    );
    assert_eq!(
        service.refusal("GetQueryResults", json!({"queryId": "none"})).await.0,
        "ResourceNotFoundException"
    );
    assert_eq!(
        service.refusal("GetLogRecord", json!({"logRecordPointer": "x"})).await.0,
        "InvalidParameterException"
    );
}

#[tokio::test]
async fn saved_queries_are_kept_under_their_ids() {
    let service = Service::new();
    let put = service.ok("PutQueryDefinition", json!({"name": "errors", "queryString": "limit 1"})).await;
    let id = put["queryDefinitionId"].clone();
    let again = json!({"name": "faults", "queryString": "limit 2", "queryDefinitionId": id});
    assert_eq!(service.ok("PutQueryDefinition", again).await["queryDefinitionId"], id);
    let list = service.ok("DescribeQueryDefinitions", json!({"queryDefinitionNamePrefix": "fau"})).await;
    assert_eq!(column(&list, "queryDefinitions", "queryString"), ["limit 2"]);
    assert_eq!(
        service.ok("DeleteQueryDefinition", json!({"queryDefinitionId": id})).await,
        json!({"success": true})
    );
    assert_eq!(
        service.refusal("DeleteQueryDefinition", json!({"queryDefinitionId": id})).await.0,
        "ResourceNotFoundException"
    );
}
