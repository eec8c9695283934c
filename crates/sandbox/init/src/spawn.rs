//! Starting the function's program.

use std::ffi::{CString, c_char};
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr;

use lambent_sandbox_protocol::{ASSIGNMENT_FD, Raw, Start, TELEMETRY_FD};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, WaitOptions, waitpid};

use crate::Inherited;

/// Everything the child needs, laid out before the fork.
struct Prepared {
    argv: Vec<CString>,
    env: Vec<CString>,
    cwd: CString,
    null: OwnedFd,
}

/// Where a program writes.
#[derive(Clone, Copy)]
pub(crate) struct Outputs<'a> {
    stdio: &'a OwnedFd,
    /// Framed records; only the runtime has them.
    telemetry: Option<&'a OwnedFd>,
}

impl<'a> Outputs<'a> {
    pub(crate) fn of_program(inherited: &'a Inherited) -> Self {
        Self { stdio: &inherited.stdio, telemetry: Some(&inherited.telemetry) }
    }

    pub(crate) fn of_extension(output: &'a OwnedFd) -> Self {
        Self { stdio: output, telemetry: None }
    }
}

/// Starts the program and returns once its `execve` has succeeded. With a channel it waits there for what it is for.
///
/// Not `std::process::Command`: it hands a file without a known format to `/bin/sh`, where AWS answers "exec format
/// error".
pub(crate) fn spawn(start: &Start, outputs: Outputs<'_>, channel: Option<&OwnedFd>) -> Result<Pid, Errno> {
    let prepared = prepare(start)?;
    let (status_reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
    // Away from the numbers that the program gets.
    let status_writer = rustix::io::fcntl_dupfd_cloexec(&writer, ASSIGNMENT_FD + 1)?;
    drop(writer);
    // SAFETY: this program has one thread, so the child may do whatever the parent may.
    #[allow(unsafe_code)]
    let pid = match unsafe { libc::fork() } {
        -1 => return Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::AGAIN)),
        0 => {
            let errno = become_program(&prepared, outputs, channel);
            // An error number that does not get through shows as exit code 127.
            let _ = rustix::io::write(&status_writer, &errno.raw_os_error().to_ne_bytes());
            // SAFETY: ends the child at once, without running what the parent registered for its own end.
            #[allow(unsafe_code)]
            unsafe {
                libc::_exit(127)
            }
        }
        pid => Pid::from_raw(pid).expect("fork answers a positive number to the parent"),
    };
    drop(status_writer);
    let mut errno = [0; 4];
    // The writer closes itself on execve: nothing to read means that the program runs.
    let read = loop {
        match rustix::io::read(&status_reader, &mut errno) {
            Err(Errno::INTR) => {}
            other => break other?,
        }
    };
    if read < errno.len() {
        return Ok(pid);
    }
    while matches!(waitpid(Some(pid), WaitOptions::empty()), Err(Errno::INTR)) {}
    Err(Errno::from_raw_os_error(i32::from_ne_bytes(errno)))
}

fn prepare(start: &Start) -> Result<Prepared, Errno> {
    let text = |bytes: &[u8]| CString::new(bytes).map_err(|_| Errno::INVAL);
    let variable = |(name, value): &(Raw, Raw)| text(&[name.as_bytes(), b"=", value.as_bytes()].concat());
    if start.argv.is_empty() {
        return Err(Errno::INVAL);
    }
    Ok(Prepared {
        argv: start.argv.iter().map(|argument| text(argument.as_bytes())).collect::<Result<_, _>>()?,
        env: start.env.iter().map(variable).collect::<Result<_, _>>()?,
        cwd: text(start.cwd.as_bytes())?,
        null: rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?,
    })
}

/// In the child: never returns but with the error of what failed.
fn become_program(prepared: &Prepared, outputs: Outputs<'_>, channel: Option<&OwnedFd>) -> Errno {
    match arrange(prepared, outputs, channel) {
        Ok(()) => execve(prepared),
        Err(errno) => errno,
    }
}

fn arrange(prepared: &Prepared, outputs: Outputs<'_>, channel: Option<&OwnedFd>) -> Result<(), Errno> {
    rustix::process::setsid()?;
    default_signals();
    let last = |result: i64| if result < 0 { Err(last_errno()) } else { Ok(()) };
    let copies = [(&prepared.null, 0), (outputs.stdio, 1), (outputs.stdio, 2)];
    let telemetry = outputs.telemetry.map(|telemetry| (telemetry, TELEMETRY_FD));
    for (from, to) in
        copies.into_iter().chain(telemetry).chain(channel.map(|channel| (channel, ASSIGNMENT_FD)))
    {
        // SAFETY: `dup2` takes numbers; whatever was open at `to` is not used by this child again.
        #[allow(unsafe_code)]
        last(i64::from(unsafe { libc::dup2(from.as_raw_fd(), to) }))?;
    }
    // Everything else closes at execve, whether or not it was opened so: the channel above all.
    let above = if channel.is_some() { ASSIGNMENT_FD } else { TELEMETRY_FD } + 1;
    let first = if telemetry.is_some() { TELEMETRY_FD - 1 } else { TELEMETRY_FD };
    let between = [(3, first.cast_unsigned()), (above.cast_unsigned(), u32::MAX)];
    for (from, to) in between {
        // SAFETY: with this flag nothing is closed now; numbers only.
        #[allow(unsafe_code)]
        last(unsafe { libc::syscall(libc::SYS_close_range, from, to, libc::CLOSE_RANGE_CLOEXEC) })?;
    }
    rustix::process::chdir(&prepared.cwd)
}

/// A program starts with every signal at its default and none blocked, whatever the server or init had set.
fn default_signals() {
    // The kernel's own structure: handler, flags, restorer, mask; all zero means the default. Not by `signal`, which
    // leaves out the two that the C library keeps for itself, and those too may have been left ignored.
    let default = [0_u64; 4];
    for signal in 1..=64 {
        // SAFETY: the structure outlives the call and the mask has the 8 bytes that are named. The two signals that
        // cannot be set answer EINVAL and need nothing.
        #[allow(unsafe_code)]
        unsafe {
            libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), ptr::null_mut::<u64>(), 8_usize);
        }
    }
    // SAFETY: the set lives on this stack and is initialised by `sigemptyset`.
    #[allow(unsafe_code)]
    unsafe {
        let mut none = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut());
    }
}

fn execve(prepared: &Prepared) -> Errno {
    let pointers = |texts: &[CString]| -> Vec<*const c_char> {
        texts.iter().map(|text| text.as_ptr()).chain([ptr::null()]).collect()
    };
    let (argv, env) = (pointers(&prepared.argv), pointers(&prepared.env));
    // SAFETY: both lists end with a null pointer, and the strings outlive the call.
    #[allow(unsafe_code)]
    unsafe {
        libc::execve(argv[0], argv.as_ptr(), env.as_ptr());
    }
    last_errno()
}

fn last_errno() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}
