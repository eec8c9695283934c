//! Log events go to a stream, which has to be made before the first.

use lambent_model::{AwsAnswer, AwsCall, AwsCallError, AwsRequest};
use serde_json::{Value, json};

/// Calls `PutLogEvents`, and makes the stream first where there is none.
pub(super) async fn put(calls: &dyn AwsCall, call: &AwsRequest) -> Result<AwsAnswer, AwsCallError> {
    let missing = match calls.call(call.clone()).await {
        Err(AwsCallError::Service { code, message, .. }) if code == "ResourceNotFoundException" => message,
        other => return other,
    };
    // The same code says that there is no group; then the stream cannot be made either, and that error is the answer.
    let Some(input) = stream_of(call) else {
        return Err(AwsCallError::Invalid(format!("the log events name no stream: {missing}")));
    };
    let make = AwsRequest { operation: "CreateLogStream".into(), input, ..call.clone() };
    match calls.call(make).await {
        Ok(_) => {}
        // Another delivery was faster.
        Err(AwsCallError::Service { code, .. }) if code == "ResourceAlreadyExistsException" => {}
        Err(error) => return Err(error),
    }
    calls.call(call.clone()).await
}

/// The input of `CreateLogStream`.
fn stream_of(call: &AwsRequest) -> Option<String> {
    let input: Value = serde_json::from_str(&call.input).ok()?;
    let (group, stream) = (input["logGroupName"].as_str()?, input["logStreamName"].as_str()?);
    Some(json!({"logGroupName": group, "logStreamName": stream}).to_string())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use bytes::Bytes;
    use lambent_model::{AwsAllowedFuture, AwsCallFuture, AwsCaller, Scope};

    use super::*;

    /// Answers as it is told, and notes what it was asked.
    struct Calls {
        answers: Mutex<Vec<Result<(), &'static str>>>,
        asked: Mutex<Vec<(String, String)>>,
    }

    impl AwsCall for Calls {
        fn not_reachable(&self, _: &str) -> Option<String> {
            None
        }

        fn allowed(&self, _: &AwsCaller, _: &str, _: &str) -> AwsAllowedFuture {
            unreachable!("whoever sends is asked by the call itself")
        }

        fn call(&self, request: AwsRequest) -> AwsCallFuture {
            self.asked.lock().unwrap().push((request.operation.into_owned(), request.input));
            let answer = self.answers.lock().unwrap().remove(0);
            let answer = answer.map(|()| AwsAnswer { body: Bytes::new() });
            Box::pin(std::future::ready(answer.map_err(|code| AwsCallError::Service {
                status: 400,
                code: code.into(),
                message: String::new(),
            })))
        }
    }

    #[tokio::test]
    async fn a_stream_is_made_once_it_is_missed() {
        const ABSENT: &str = "ResourceNotFoundException";
        let account = lambent_model::AccountId::default_account();
        let scope = Scope { account: account.clone(), region: lambent_model::Region::default_region() };
        let call = AwsRequest {
            service: "logs".into(),
            operation: "PutLogEvents".into(),
            scope,
            caller: AwsCaller::Service { account, name: "events.amazonaws.com".into(), source: "r".into() },
            resource: None,
            trace_id: None,
            input: json!({"logGroupName": "g", "logStreamName": "s", "logEvents": []}).to_string(),
            payload: None,
        };
        for (answers, operations, expected) in [
            (vec![Ok(())], "PutLogEvents", Ok(())),
            (vec![Err(ABSENT), Ok(()), Ok(())], "PutLogEvents CreateLogStream PutLogEvents", Ok(())),
            (
                vec![Err(ABSENT), Err("ResourceAlreadyExistsException"), Ok(())],
                "PutLogEvents CreateLogStream PutLogEvents",
                Ok(()),
            ),
            (vec![Err(ABSENT), Err(ABSENT)], "PutLogEvents CreateLogStream", Err(ABSENT)),
            (vec![Err(ABSENT), Err("AccessDenied")], "PutLogEvents CreateLogStream", Err("AccessDenied")),
            (vec![Err("ThrottlingException")], "PutLogEvents", Err("ThrottlingException")),
        ] {
            let calls = Calls { answers: Mutex::new(answers), asked: Mutex::default() };
            let found = put(&calls, &call).await.map(drop).map_err(|error| match error {
                AwsCallError::Service { code, .. } => code,
                other => other.to_string(),
            });
            assert_eq!(found, expected.map_err(str::to_owned));
            let asked = calls.asked.into_inner().unwrap();
            let names: Vec<&str> = asked.iter().map(|(operation, _)| &**operation).collect();
            assert_eq!(names.join(" "), operations);
            if let Some((_, input)) = asked.get(1) {
                assert_eq!(input, r#"{"logGroupName":"g","logStreamName":"s"}"#);
            }
        }
    }
}
