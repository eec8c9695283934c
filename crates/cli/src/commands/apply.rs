//! Asking for a function's state and waiting until a change is done.

use std::time::Duration;

use lambent_wire::lambda::op::GetFunctionConfiguration;
use lambent_wire::lambda::types::{
    FunctionConfiguration, GetFunctionConfigurationRequest, LastUpdateStatus, State,
};
use tokio::time::{Instant, sleep};

use super::Error;
use crate::client::Client;

/// As long as the AWS CLI's waiter `function-active-v2` waits.
const SETTLE_LIMIT: Duration = Duration::from_secs(300);
/// The first pause between two looks. Doubled each time: most changes take milliseconds, some a minute.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The configuration of `$LATEST`, or `None` when there is no such function.
pub(crate) async fn find(client: &Client, name: &str) -> Result<Option<FunctionConfiguration>, Error> {
    let request = GetFunctionConfigurationRequest { function_name: name.to_owned(), ..Default::default() };
    match client.call::<GetFunctionConfiguration>(&request).await {
        Ok(configuration) => Ok(Some(configuration)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Waits until the function is neither being created nor updated.
///
/// # Errors
/// When creation or update failed, when the function vanishes, or after five minutes.
pub(crate) async fn settle(client: &Client, name: &str) -> Result<FunctionConfiguration, Error> {
    let begun = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        let found = find(client, name).await?;
        let configuration = found
            .ok_or_else(|| Error::NotFound(format!("{name} was deleted while its change was awaited")))?;
        match progress(&configuration) {
            Progress::Done => return Ok(configuration),
            Progress::Failed { state, reason } => {
                return Err(Error::State { name: name.to_owned(), state, reason });
            }
            Progress::Pending if begun.elapsed() >= SETTLE_LIMIT => {
                return Err(Error::NotReady { name: name.to_owned(), seconds: SETTLE_LIMIT.as_secs() });
            }
            Progress::Pending => sleep(pause).await,
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Progress {
    Pending,
    Done,
    Failed { state: String, reason: String },
}

/// Reads the two state fields (AWS Lambda Developer Guide: "Lambda function states").
fn progress(configuration: &FunctionConfiguration) -> Progress {
    let failed = |state: &str, reason: &Option<String>| Progress::Failed {
        state: state.to_owned(),
        reason: reason.clone().unwrap_or_else(|| "no reason given".to_owned()),
    };
    match (&configuration.state, &configuration.last_update_status) {
        (Some(State::Failed), _) => failed("Failed", &configuration.state_reason),
        (_, Some(LastUpdateStatus::Failed)) => {
            failed("update failed", &configuration.last_update_status_reason)
        }
        (Some(State::Pending), _) | (_, Some(LastUpdateStatus::InProgress)) => Progress::Pending,
        _ => Progress::Done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_state_fields_decide() {
        let configuration = |state: Option<State>, update: Option<LastUpdateStatus>| FunctionConfiguration {
            state,
            last_update_status: update,
            state_reason: Some("state".to_owned()),
            last_update_status_reason: Some("update".to_owned()),
            ..Default::default()
        };
        let failed =
            |state: &str, reason: &str| Progress::Failed { state: state.into(), reason: reason.into() };
        for (state, update, expected) in [
            (Some(State::Pending), None, Progress::Pending),
            (Some(State::Active), Some(LastUpdateStatus::Successful), Progress::Done),
            (Some(State::Active), Some(LastUpdateStatus::InProgress), Progress::Pending),
            (Some(State::Active), Some(LastUpdateStatus::Failed), failed("update failed", "update")),
            (Some(State::Failed), None, failed("Failed", "state")),
            (Some(State::Inactive), None, Progress::Done),
        ] {
            assert_eq!(progress(&configuration(state, update)), expected);
        }
    }
}
