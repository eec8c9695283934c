//! What an environment writes to its log stream: the platform's records and the function's.

use std::sync::Arc;

use lambent_model::{Clock, EnvironmentId, ExtensionId, LogRecord, LogSink, LogStream, Origin, Timestamp};

use crate::flood::{Dropped, Fate, Flood};
use crate::level::ApplicationLogLevel;
use crate::output::{Frame, Frames, Lines};
use crate::pipes::TakeOutput;
use crate::record::{Logging, Record, Subject};
use crate::telemetry::{Delivery, Hub, Source, Subscription, SubscriptionError};
use crate::{Function, Initialization, World};

/// `X-Amz-Log-Result`: "the last 4 KB of the execution log".
const TAIL: usize = 4096;

/// Why records of the function are dropped.
const FLOOD: &str = "the function writes faster than its log takes (5 MiB or 50,000 records a second)";

/// The environment's log stream, and the tail of the running invocation.
pub(crate) struct Log {
    sink: Arc<dyn LogSink>,
    clock: Arc<dyn Clock>,
    pub(crate) stream: Arc<LogStream>,
    pub(crate) subject: Subject,
    logging: Logging,
    flood: Flood,
    lines: Lines,
    /// What each extension has not finished, by its slot: ten at most.
    extensions: Vec<(u8, Lines)>,
    hub: Hub,
    frames: Frames,
    /// The time of the last record.
    last: Timestamp,
    pub(crate) tail: Option<Vec<u8>>,
}

impl Log {
    pub(crate) fn new(
        world: &World,
        function: &Function,
        id: EnvironmentId,
        initialization: Initialization,
    ) -> Self {
        let (year, month, day, ..) = world.clock.now().civil();
        let name = &function.arn.name;
        // A group that functions share names the function in its streams.
        let function_name =
            if function.log_group == format!("/aws/lambda/{name}") { "" } else { name.as_str() };
        let stream = LogStream {
            scope: function.arn.scope.clone(),
            group: function.log_group.clone(),
            stream: format!(
                "{year:04}/{month:02}/{day:02}/{function_name}[{}]{}",
                function.version,
                id.simple()
            ),
        };
        Self {
            sink: Arc::clone(&world.logs),
            clock: Arc::clone(&world.clock),
            stream: Arc::new(stream),
            subject: Subject {
                function_name: name.clone(),
                function_version: function.version.clone(),
                runtime_version: function.runtime_version.clone(),
                runtime_version_arn: function.runtime_version_arn.clone(),
                initialization,
            },
            logging: function.logging,
            flood: Flood::new(world.clock.now()),
            lines: Lines::default(),
            extensions: Vec::new(),
            hub: Hub::new(function.logging.format),
            frames: Frames::default(),
            last: world.clock.now(),
            tail: None,
        }
    }

    /// Why the environment is initialised, as its records say.
    pub(crate) fn initialization(&self) -> Initialization {
        self.subject.initialization
    }

    /// What is written from now on is in the tail of the next invocation that is answered, if that is `wanted`. What an
    /// initialisation has written is in that of the invocation that it was for; INIT_START is not (as AWS's console shows
    /// it in "Function Logs").
    pub(crate) fn begin_tail(&mut self, wanted: bool) {
        self.tail = wanted.then(|| self.tail.take().unwrap_or_default());
    }

    pub(crate) fn write(&mut self, at: Timestamp, origin: Origin, message: String) {
        if let Some(tail) = &mut self.tail {
            tail.extend_from_slice(message.as_bytes());
            tail.push(b'\n');
            if tail.len() > TAIL {
                tail.drain(..tail.len() - TAIL);
            }
        }
        self.sink.write(LogRecord { stream: Arc::clone(&self.stream), at, origin, message });
    }

    /// Writes a record of the platform's: into the log as far as its level lets it, and to all who subscribed.
    pub(crate) fn platform(&mut self, at: Timestamp, record: &Record) {
        self.last = at;
        if let Some(line) = record.render(self.logging, &self.subject, at) {
            self.write(at, Origin::Platform, line);
        }
        self.hub.platform(at, record, &self.subject);
    }

    /// Writes what the function has written, if it matters enough. `level` is what its frame says. Who has subscribed hears of
    /// all: the level is what is sent to CloudWatch Logs.
    fn write_application(
        &mut self,
        now: Timestamp,
        at: Timestamp,
        level: Option<ApplicationLogLevel>,
        message: String,
    ) {
        if self.logging.takes(level, &message) {
            return self.write_function(now, at, Source::Function, message);
        }
        self.last = at;
        self.hub.line(at, Source::Function, &message);
    }

    /// Writes what the function or an extension has written, unless that is too much.
    fn write_function(&mut self, now: Timestamp, at: Timestamp, source: Source, message: String) {
        self.last = at;
        self.hub.line(at, source, &message);
        match self.flood.take(now, message.len()) {
            Fate::Kept => self.write(at, Origin::Function, message),
            Fate::KeptAfter(dropped) => {
                self.confess(now, dropped);
                self.write(at, Origin::Function, message);
            }
            Fate::Dropped => {}
        }
    }

    fn confess(&mut self, now: Timestamp, Dropped { records, bytes }: Dropped) {
        let record = Record::LogsDropped { records, bytes, reason: FLOOD };
        if let Some(line) = record.render(self.logging, &self.subject, now) {
            self.write(now, Origin::Platform, line);
        }
    }

    /// What dead extensions have left unfinished.
    pub(crate) fn flush_extensions(&mut self) {
        let at = self.clock.now();
        for (_, mut lines) in std::mem::take(&mut self.extensions) {
            lines.flush(&mut |line| self.write_function(at, at, Source::Extension, line));
        }
    }

    fn framed(&mut self, frame: Frame) {
        let now = self.clock.now();
        let at = time_of(frame.at, self.last, now);
        self.write_application(now, at, frame.level, frame.message);
    }

    /// Writes an unfinished line as it is: what it belongs to has come to its end.
    pub(crate) fn flush_stdio(&mut self) {
        let mut lines = std::mem::take(&mut self.lines);
        let at = self.clock.now();
        lines.flush(&mut |line| self.write_application(at, at, None, line));
        self.lines = lines;
        if let Some(dropped) = self.flood.settle() {
            self.confess(at, dropped);
        }
    }

    /// A subscriber's side of the log.
    pub(crate) fn subscribe(
        &mut self,
        identifier: ExtensionId,
        subscription: Subscription,
    ) -> Result<Delivery, SubscriptionError> {
        self.hub.subscribe(identifier, subscription, &self.subject)
    }

    /// The environment is initialised: nobody can subscribe any more.
    pub(crate) fn close_subscriptions(&mut self) {
        self.hub.close();
    }

    /// What subscribers have not been told yet is to reach them now.
    pub(crate) fn flush_subscriptions(&mut self) {
        self.hub.flush();
    }

    /// The subscribers are dead; the next generation of processes may subscribe.
    pub(crate) fn end_subscriptions(&mut self) {
        self.flush_extensions();
        self.hub.reopen();
    }
}

/// When a record was written whose writer may have noted it: its own clock tells best, unless it lies about the future. A printed
/// line has the time at which it was read, which may be later than that of the record behind it: none is before its predecessor,
/// by whose time readers would put it.
fn time_of(noted: Option<Timestamp>, last: Timestamp, now: Timestamp) -> Timestamp {
    noted.filter(|at| *at <= now).unwrap_or(now).max(last.min(now))
}

impl TakeOutput for Log {
    fn telemetry(&mut self, bytes: &[u8]) {
        let mut frames = std::mem::take(&mut self.frames);
        frames.feed(bytes, &mut |frame| self.framed(frame));
        self.frames = frames;
    }

    fn flush_telemetry(&mut self) {
        let mut frames = std::mem::take(&mut self.frames);
        frames.flush(&mut |frame| self.framed(frame));
        self.frames = frames;
    }

    fn stdio(&mut self, bytes: &[u8]) {
        let mut lines = std::mem::take(&mut self.lines);
        let at = self.clock.now();
        lines.feed(bytes, &mut |line| self.write_application(at, at, None, line));
        self.lines = lines;
    }

    fn extension(&mut self, slot: u8, bytes: &[u8]) {
        let mut all = std::mem::take(&mut self.extensions);
        if !all.iter().any(|(taken, _)| *taken == slot) {
            all.push((slot, Lines::default()));
        }
        let at = self.clock.now();
        for (_, lines) in all.iter_mut().filter(|(taken, _)| *taken == slot) {
            lines.feed(bytes, &mut |line| self.write_function(at, at, Source::Extension, line));
        }
        self.extensions = all;
    }

    /// Whether the function writes more than is kept of it.
    fn is_flooded(&self) -> bool {
        self.flood.is_dropping()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_have_their_writer_s_time_between_the_last_one_s_and_now() {
        let at = Timestamp::from_millis;
        for (noted, last, expected) in [
            (Some(7), 5, 7),
            (None, 5, 9),
            (Some(10), 5, 9),
            (Some(4), 5, 5),
            // The clock has been set back.
            (Some(4), 20, 9),
        ] {
            assert_eq!(time_of(noted.map(at), at(last), at(9)), at(expected), "{noted:?} after {last}");
        }
    }
}
