//! What the function has written, and what the sandbox says of its ends, in words for the log.

use std::path::PathBuf;
use std::time::Duration;

use lambent_model::Origin;
use lambent_sandbox_client::{Event as SandboxEvent, Exit};

use super::Core;
use crate::machine::{Event, Start};

/// With this status end the loader that misses a shared library, and shells that miss a command.
const STATUS_NOT_FOUND: i32 = 127;

impl Core {
    /// Takes over what the function has written so far.
    pub(super) fn drain(&mut self) {
        if let Some(grip) = &mut self.sandbox {
            grip.pipes.drain(&mut self.log);
        }
    }

    /// The same after a rest, or because there is something; see [`crate::pipes::Pipes::look`].
    pub(super) fn look_at_output(&mut self) -> Option<Duration> {
        let rest = self.sandbox.as_mut()?.pipes.look(&mut self.log);
        rest.unwrap_or_else(|error| {
            self.fail(&format!("its output pipes cannot be watched: {error}"));
            None
        })
    }

    /// [`Core::drain`], and an unfinished line with it: what it belongs to ends here.
    pub(super) fn flush(&mut self) {
        self.drain();
        self.log.flush_stdio();
    }

    /// The same where an invocation's speed does not count, to the last byte that has been written.
    pub(super) fn flush_unheard(&mut self) {
        if let Some(grip) = &mut self.sandbox {
            grip.pipes.drain_unheard(&mut self.log);
        }
        self.log.flush_stdio();
    }

    /// The same, to the last byte, when nobody is left to write more.
    pub(super) fn finish_output(&mut self) {
        if let Some(grip) = &mut self.sandbox {
            grip.pipes.finish(&mut self.log);
        }
        self.log.flush_stdio();
    }

    pub(super) fn translate(&mut self, event: SandboxEvent) -> Event {
        match event {
            SandboxEvent::StartFailed { errno } => Event::StartFailed { failure: self.start_failure(errno) },
            SandboxEvent::Exited(exit) => {
                if exit == Exit::Code(STATUS_NOT_FOUND) {
                    self.write_advice(
                        "the runtime ended with status 127: a shared library or a command that it needs is missing, \
                         as the lines before say; put libraries into the folder lib of the package or of a layer, or \
                         link statically",
                    );
                }
                let kills = self.sandbox.as_ref().map_or(0, |grip| grip.control.usage().oom_kills);
                let out_of_memory = kills > self.oom_kills_seen;
                self.oom_kills_seen = kills;
                Event::Exited { exit, out_of_memory }
            }
            SandboxEvent::ExtensionStartFailed { slot, errno } => self.extension_start_failed(slot, errno),
            SandboxEvent::ExtensionExited { slot, exit } => Event::ExtensionExited { slot, exit },
            SandboxEvent::Reset => Event::Reset,
            SandboxEvent::Gone { reason } => Event::Gone { reason },
        }
    }

    /// A line for who reads the log: the caller's error has AWS's words, which do not say what to do.
    pub(super) fn advise(&mut self, text: &str) {
        self.write_advice(&format!("the runtime cannot be started: {text}"));
    }

    pub(super) fn write_advice(&mut self, line: &str) {
        self.log.write(self.world.clock.now(), Origin::Platform, line.to_owned());
    }

    /// AWS words a failing `execve` as Go does.
    pub(super) fn start_failure(&mut self, errno: i32) -> Start {
        let text = std::io::Error::from_raw_os_error(errno).to_string().to_lowercase();
        let text = text.split(" (os error").next().unwrap_or_default();
        let file = self.sandbox.as_ref().and_then(|grip| self.function.plan.program(&grip.placement).ok());
        let file = file.and_then(|program| program.argv.first().map(PathBuf::from)).unwrap_or_default();
        if let Some(remedy) = self.function.plan.remedy(&file, errno) {
            self.advise(&remedy);
        }
        Start {
            error_type: "Runtime.InvalidEntrypoint".into(),
            message: format!("fork/exec {}: {text}", file.display()),
        }
    }
}
