//! `lambent logs`: what FilterLogEvents finds, once or until Ctrl-C.

use std::collections::BTreeSet;
use std::time::Duration;

use lambent_model::{FunctionReference, Timestamp};
use lambent_wire::logs::op::FilterLogEvents;
use lambent_wire::logs::types::{FilterLogEventsRequest, FilteredLogEvent};
use tokio::time::sleep;

use super::{Error, find};
use crate::client::Client;
use crate::terminal::Style;
use crate::{ExitCode, LogsArgs, Terminal};

/// The pause after something was found, and the longest after nothing was: quick while the function runs, and a call
/// every two seconds while it does not.
const SHORTEST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Environments write at the same time and their events arrive in any order, but none later than this.
const OVERLAP_MS: i64 = 10_000;

pub(super) async fn logs(client: &Client, args: LogsArgs, terminal: &Terminal) -> Result<ExitCode, Error> {
    let group = Group { filter: args.filter, ..group(client, &args.name).await? };
    let since = i64::try_from(args.since.as_millis()).expect("an age is at most 700 years");
    let mut window = Window::from(client.now().millis() - since);
    let mut pause = SHORTEST_PAUSE;
    loop {
        let found = match page_through(client, &group, &mut window, terminal).await {
            Err(Error::Client(error)) if error.is_not_found() && group.function_exists => {
                if !args.follow {
                    terminal.say(&format!("{} has written no log yet", args.name));
                }
                false
            }
            result => result?,
        };
        if !args.follow {
            return Ok(ExitCode::Ok);
        }
        pause = if found { SHORTEST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
        sleep(pause).await;
    }
}

/// A log group, and whether a function stands behind it, which then may write its first line yet.
struct Group {
    name: String,
    function_exists: bool,
    /// The filter pattern for its events.
    filter: Option<String>,
}

/// The group that the function writes to. The log of a deleted function stays, under the default name.
async fn group(client: &Client, name: &str) -> Result<Group, Error> {
    if name.starts_with('/') {
        return Ok(Group { name: name.to_owned(), function_exists: false, filter: None });
    }
    let reference: FunctionReference = name.parse().map_err(|error| Error::Usage(format!("{error}")))?;
    let found = find(client, name).await?;
    let function_exists = found.is_some();
    let configured = found.and_then(|function| function.logging_config).and_then(|logging| logging.log_group);
    let name = configured.unwrap_or_else(|| format!("/aws/lambda/{}", reference.name));
    Ok(Group { name, function_exists, filter: None })
}

/// Prints every event of the window that was not printed before; says whether there was one.
async fn page_through(
    client: &Client,
    group: &Group,
    window: &mut Window,
    terminal: &Terminal,
) -> Result<bool, Error> {
    let mut request = FilterLogEventsRequest {
        log_group_name: Some(group.name.clone()),
        start_time: Some(window.start.max(0)),
        filter_pattern: group.filter.clone(),
        ..Default::default()
    };
    let mut found = false;
    loop {
        let page = client.call::<FilterLogEvents>(&request).await?;
        for event in page.events.unwrap_or_default() {
            if window.is_new(&event)? {
                print(&event, terminal)?;
                found = true;
            }
        }
        match page.next_token {
            Some(token) if request.next_token.as_ref() == Some(&token) => {
                let what = "its next page is the same one again".to_owned();
                return Err(Error::Answer { operation: "FilterLogEvents", what });
            }
            Some(token) => request.next_token = Some(token),
            None => break,
        }
    }
    window.advance();
    Ok(found)
}

fn print(event: &FilteredLogEvent, terminal: &Terminal) -> Result<(), Error> {
    if terminal.json {
        // One document on each line: a followed log never ends, and so could not be one document.
        let line = serde_json::to_string(event).expect("an event is made of texts and numbers");
        return Ok(terminal.line(&line)?);
    }
    let at = Timestamp::from_millis(event.timestamp.unwrap_or_default());
    let message = terminal.quote(event.message.as_deref().unwrap_or_default().trim_end_matches('\n'));
    Ok(terminal.line(&format!("{}  {message}", terminal.paint(Style::Dim, &at.to_string())))?)
}

/// From when on to look, and what of that has been printed.
///
/// The ids kept are those of the last ten seconds of log, so they are as many as the functions write in that time.
struct Window {
    /// Milliseconds since the epoch.
    start: i64,
    newest: i64,
    printed: BTreeSet<(i64, String)>,
}

impl Window {
    fn from(start: i64) -> Self {
        Self { start, newest: i64::MIN, printed: BTreeSet::new() }
    }

    /// Notes an event; false when it was noted before.
    fn is_new(&mut self, event: &FilteredLogEvent) -> Result<bool, Error> {
        let (Some(at), Some(id)) = (event.timestamp, &event.event_id) else {
            let what = "an event has no timestamp or no id".to_owned();
            return Err(Error::Answer { operation: "FilterLogEvents", what });
        };
        self.newest = self.newest.max(at);
        Ok(self.printed.insert((at, id.clone())))
    }

    /// Moves the start behind the newest event, and forgets what lies before it.
    fn advance(&mut self) {
        self.start = self.start.max(self.newest.saturating_sub(OVERLAP_MS));
        self.printed = self.printed.split_off(&(self.start, String::new()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(at: i64, id: &str) -> FilteredLogEvent {
        FilteredLogEvent { timestamp: Some(at), event_id: Some(id.to_owned()), ..Default::default() }
    }

    #[test]
    fn window_prints_once_and_forgets_what_is_past() {
        let mut window = Window::from(0);
        assert!(window.is_new(&event(1_000, "a")).unwrap());
        assert!(window.is_new(&event(20_000, "b")).unwrap());
        assert!(!window.is_new(&event(20_000, "b")).unwrap());
        window.advance();
        assert_eq!(window.start, 10_000);
        assert_eq!(window.printed.len(), 1);
        // Late, but within the overlap.
        assert!(window.is_new(&event(15_000, "c")).unwrap());
        assert!(!window.is_new(&event(20_000, "b")).unwrap());
        assert!(window.is_new(&FilteredLogEvent::default()).is_err());
    }
}
