//! Whether namespaces work here, found out by making some.

use std::ffi::CStr;

use lambent_sandbox_protocol::Failure;
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::process::{WaitOptions, waitpid};

use crate::clone::{NAMESPACES, clone_process};
use crate::step::{Step, refused};

/// Makes a process in namespaces of its own that mounts a fresh /proc, the step which containers most often forbid.
pub(crate) fn namespaces() -> Result<(), Failure> {
    let process = clone_process(NAMESPACES | libc::CLONE_NEWNET, None).step("make namespaces")?;
    let Some(process) = process else {
        let result = mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
            .and_then(|()| mount("proc", "/proc", "proc", MountFlags::NOSUID, None::<&CStr>));
        let code = result.err().map_or(0, rustix::io::Errno::raw_os_error);
        // SAFETY: ends the copy at once, without running what the launcher registered for its own end.
        #[allow(unsafe_code)]
        unsafe {
            libc::_exit(code)
        }
    };
    let pid = rustix::process::Pid::from_raw(process.pid);
    loop {
        match waitpid(pid, WaitOptions::empty()) {
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error).step("wait for the trial sandbox"),
            Ok(ended) => {
                return match ended.and_then(|(_, status)| status.exit_status()) {
                    Some(0) => Ok(()),
                    Some(errno) => Err(Failure::Step { step: "mount /proc".to_owned(), errno }),
                    None => Err(refused("the trial sandbox was killed")),
                };
            }
        }
    }
}
