//! Mappings: how soon the handler begins with a message that is sent to a queue, and what a server costs that has nothing to
//! do but much to wait for: schedules, and mappings of empty queues.

use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use serde::Serialize;
use serde_json::json;

use super::connection::Connection;
use super::events::{beginnings, millis};
use super::options::Options;
use super::prepare::{Place, Programs};
use super::server::Server;
use super::stats::Summary;
use super::subject::Subject;

/// Where the server's own queues are.
const QUEUES: &str = "arn:aws:sqs:us-east-1:000000000000";
const ROLE: &str = "arn:aws:iam::000000000000:role/bench";
/// Mappings of the idle server, each with a queue of its own.
const MAPPINGS: usize = 50;
/// Clients that create at the same time: commits are made in groups.
const CLIENTS: usize = 16;
/// What begins after a start is over by then, and the mappings wait as long as they ever do at once.
const SETTLE: Duration = Duration::from_secs(25);

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Mappings {
    /// From the sending of a message to the begin of a warm handler, in milliseconds, on an otherwise idle server.
    pub(crate) start_ms: Option<Summary>,
    /// The same from the answer on; a handler that begins before its sender has the answer counts as zero.
    pub(crate) answered_ms: Option<Summary>,
    pub(crate) idle: Idle,
}

/// A server that waits.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Idle {
    pub(crate) schedules: usize,
    pub(crate) mappings: usize,
    /// How long was looked.
    pub(crate) seconds: f64,
    /// Of one CPU: the server with its launcher.
    pub(crate) share: f64,
    pub(crate) server_bytes: u64,
}

/// Measures; `None` without the language of the function. Both servers are its own.
pub(crate) fn measure(
    place: &Place,
    subjects: &[Subject],
    programs: &Programs,
    options: &Options,
) -> anyhow::Result<Option<Mappings>> {
    let Some(python) = subjects.iter().find(|subject| subject.runtime.starts_with("python")) else {
        return Ok(None);
    };
    let (messages, schedules, look) = match options.quick {
        true => (50, 2_000, Duration::from_secs(10)),
        false => (300, 100_000, Duration::from_secs(60)),
    };
    eprintln!("measuring mappings, and a server that waits for {schedules} schedules and {MAPPINGS} queues");
    let (start_ms, answered_ms) = starts(place, python, programs, messages)?;
    let idle = idle(place, python, programs, schedules, look)?;
    Ok(Some(Mappings { start_ms, answered_ms, idle }))
}

/// Sends one message after the other to a queue whose function is warm and tells when it began.
fn starts(
    place: &Place,
    python: &Subject,
    programs: &Programs,
    count: usize,
) -> anyhow::Result<(Option<Summary>, Option<Summary>)> {
    const NAME: &str = "bench-messages";
    let server = Server::start_in(place, programs, &Place::data().join("messages"))?;
    let folder = place.sources.join("functions/python-begin");
    server.deploy_with(&python.runtime, python.handler, &folder, NAME, 128)?;
    server.invoke(NAME, "{\"n\": -1}")?;
    let mut connection = Connection::open(server.address())?;
    let url = map(&mut connection, NAME, NAME)?;
    let (mut sent, mut answered) = (Vec::new(), Vec::new());
    for n in 0..count {
        // The next one finds an idle server again; the first, a mapping that has begun to wait.
        thread::sleep(if n == 0 { Duration::from_secs(1) } else { Duration::from_millis(20) });
        let message = json!({"QueueUrl": url, "MessageBody": format!("{{\"n\": {n}}}")});
        sent.push(SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros());
        connection.sqs("SendMessage", &message)?;
        answered.push(SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros());
    }
    let began = beginnings(&server, NAME, count)?;
    let since = |from: &[u128]| {
        let waits = began.iter().zip(from).map(|(at, from)| millis(at.saturating_sub(*from)));
        Summary::of(waits.collect())
    };
    let found = (since(&sent), since(&answered));
    server.stop()?;
    Ok(found)
}

/// Makes a queue and its mapping; the queue's address.
fn map(connection: &mut Connection, queue: &str, function: &str) -> anyhow::Result<String> {
    // As long as the function may take.
    let attributes = json!({"VisibilityTimeout": "60"});
    let made = connection.sqs("CreateQueue", &json!({"QueueName": queue, "Attributes": attributes}))?;
    let body = json!({"FunctionName": function, "EventSourceArn": format!("{QUEUES}:{queue}")});
    connection.until("lambda", "POST", "/2015-03-31/event-source-mappings", &body)?;
    Ok(made["QueueUrl"].as_str().context("a queue has an address")?.to_owned())
}

fn idle(
    place: &Place,
    python: &Subject,
    programs: &Programs,
    schedules: usize,
    look: Duration,
) -> anyhow::Result<Idle> {
    const NAME: &str = "bench-waiting";
    let server = Server::start_in(place, programs, &Place::data().join("waiting"))?;
    let folder = place.sources.join("functions/python-begin");
    server.deploy_with(&python.runtime, python.handler, &folder, NAME, 128)?;
    let address = server.address();
    let schedule = |client: usize| -> anyhow::Result<()> {
        let mut connection = Connection::open(address)?;
        let target =
            json!({"Arn": format!("arn:aws:lambda:us-east-1:000000000000:function:{NAME}"), "RoleArn": ROLE});
        for n in (client..schedules).step_by(CLIENTS) {
            // Moments of a whole day, a year and more away.
            let (hour, minute, second) = (n % 24, n / 24 % 60, n / 1440 % 60);
            let at = format!("at(2099-01-01T{hour:02}:{minute:02}:{second:02})");
            let body =
                json!({"ScheduleExpression": at, "FlexibleTimeWindow": {"Mode": "OFF"}, "Target": target});
            connection.until("scheduler", "POST", &format!("/schedules/bench-{n}"), &body)?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let schedule = &schedule;
        let clients: Vec<_> = (0..CLIENTS).map(|client| scope.spawn(move || schedule(client))).collect();
        let mut ended = clients.into_iter().map(|client| client.join().expect("the thread does not panic"));
        ended.try_for_each(|ended| ended)
    })?;
    let mut connection = Connection::open(address)?;
    for n in 0..MAPPINGS {
        map(&mut connection, &format!("waiting-{n}"), NAME)?;
    }
    drop(connection);
    thread::sleep(SETTLE);
    let before = server.cpu()?;
    thread::sleep(look);
    let after = server.cpu()?;
    let used = (after.server + after.launcher).saturating_sub(before.server + before.launcher);
    let (seconds, server_bytes) = (look.as_secs_f64(), server.memory()?.server_bytes);
    server.stop()?;
    let share = used.as_secs_f64() / seconds;
    Ok(Idle { schedules, mappings: MAPPINGS, seconds, share, server_bytes })
}
