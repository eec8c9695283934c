//! Processes in the namespaces of a sandbox that has been made already.

use std::fs;
use std::io::Read as _;
use std::os::fd::{AsFd, OwnedFd};

use lambent_sandbox_protocol::Failure;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Signal, set_parent_process_death_signal};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::clone::clone_process;
use crate::privileges;
use crate::sandbox::has_succeeded;
use crate::step::{Step, refused};

/// The end of what a process says, of which the last error is told on.
const MOST_OUTPUT: usize = 64 * 1024;

/// The namespaces, opened while paths mean the host's.
pub(super) struct Inside {
    /// In the order in which they are entered: whoever enters the user namespace has its rights over the others.
    namespaces: Vec<(LinkNameSpaceType, OwnedFd)>,
    as_root: bool,
}

impl Inside {
    /// With the user namespace there is no right left outside, and all of them are inside.
    pub(super) fn open(init: i32, with_user: bool) -> Result<Self, Failure> {
        let user = with_user.then_some(("user", LinkNameSpaceType::User));
        let others = [
            ("cgroup", LinkNameSpaceType::ControlGroup),
            ("ipc", LinkNameSpaceType::InterProcessCommunication),
            ("uts", LinkNameSpaceType::HostNameAndNISDomainName),
            ("net", LinkNameSpaceType::Network),
            ("pid", LinkNameSpaceType::ProcessID),
            ("mnt", LinkNameSpaceType::Mount),
        ];
        let open = |(name, kind)| {
            let file =
                fs::File::open(format!("/proc/{init}/ns/{name}")).step("open the sandbox's namespaces")?;
            Ok((kind, OwnedFd::from(file)))
        };
        let namespaces = user.into_iter().chain(others).map(open).collect::<Result<_, Failure>>()?;
        Ok(Self { namespaces, as_root: with_user })
    }

    /// Does something in there to its end, in a process that has a pipe for what it says: the last line with "Error" is why
    /// it has failed.
    pub(super) fn run(self, act: impl FnOnce(&OwnedFd) -> Result<(), Failure>) -> Result<(), String> {
        let text = |failure: Failure| failure.to_string();
        let (reader, writer) =
            pipe_with(PipeFlags::CLOEXEC).step("make a pipe for what is done inside").map_err(text)?;
        // Two processes: one that has entered a process namespace is not in it, only what it starts is.
        let Some(outer) = clone_process(0, None).step("start a process").map_err(text)? else {
            drop(reader);
            let acted = self.enter().and_then(|()| {
                let Some(inner) = clone_process(0, None).step("start a process inside")? else {
                    tell(&writer, &self.settle().and_then(|()| act(&writer)));
                };
                Ok(has_succeeded(&inner))
            });
            match acted {
                Ok(succeeded) => end(i32::from(!succeeded)),
                Err(failure) => tell(&writer, &Err(failure)),
            }
        };
        drop(writer);
        let said = read_to_end(reader);
        if has_succeeded(&outer) {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&said);
        let error = text.lines().rev().find(|line| line.contains("Error")).unwrap_or("it does not say why");
        Err(error.trim().to_owned())
    }

    /// The same, of something that says no more than why it has failed.
    pub(super) fn act(self, act: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
        self.run(|_| act()).map_err(|error| refused(error.strip_prefix(PREFIX).unwrap_or(&error)))
    }

    fn enter(&self) -> Result<(), Failure> {
        for (kind, file) in &self.namespaces {
            move_into_link_name_space(file.as_fd(), Some(*kind))
                .step(&format!("enter the sandbox ({kind:?})"))?;
        }
        // It ends with the photographer, as does what it starts with itself.
        set_parent_process_death_signal(Some(Signal::KILL)).step("bind to the photographer")
    }

    fn settle(&self) -> Result<(), Failure> {
        if self.as_root {
            privileges::become_user(0)?;
        }
        // After the change of user, which would reset it.
        set_parent_process_death_signal(Some(Signal::KILL)).step("bind to the photographer")
    }
}

/// What CRIU's own errors begin with, too.
const PREFIX: &str = "Error ";

/// The end of a process inside.
fn tell(output: &OwnedFd, ended: &Result<(), Failure>) -> ! {
    if let Err(failure) = ended {
        // A photographer that has ended wants to know nothing.
        let _ = rustix::io::write(output, format!("{PREFIX}{failure}\n").as_bytes());
    }
    end(i32::from(ended.is_err()))
}

pub(super) fn end(code: i32) -> ! {
    // SAFETY: ends the copy at once, without running what the launcher registered for its own end.
    #[allow(unsafe_code)]
    unsafe {
        libc::_exit(code)
    }
}

/// Reads all, of which the last part is kept.
fn read_to_end(reader: OwnedFd) -> Vec<u8> {
    let (mut file, mut kept, mut buffer) = (fs::File::from(reader), Vec::new(), [0; 4096]);
    while let Ok(read @ 1..) = file.read(&mut buffer) {
        kept.extend_from_slice(&buffer[..read]);
        let above = kept.len().saturating_sub(MOST_OUTPUT);
        kept.drain(..above);
    }
    kept
}
