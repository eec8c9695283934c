//! The kernel as attacks see it: a call by number, its error by name, a child that may be lost.

use std::ffi::CStr;
use std::io::{PipeReader, PipeWriter, Read as _, Write as _};

/// Why an attack came to nothing: the error's name, or what happened in its place.
#[derive(Debug)]
pub(crate) struct Refusal(pub(crate) String);

/// An attack's end: what its success looked like, or why there was none.
pub(crate) type Tried = Result<String, Refusal>;

impl From<std::io::Error> for Refusal {
    fn from(error: std::io::Error) -> Self {
        Self(error.raw_os_error().map_or_else(|| error.to_string(), name))
    }
}

/// A refusal in words.
pub(crate) fn refused<T>(what: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal(what.into()))
}

/// errno(3).
fn name(errno: i32) -> String {
    let known = [
        (libc::EPERM, "EPERM"),
        (libc::ENOENT, "ENOENT"),
        (libc::ESRCH, "ESRCH"),
        (libc::EIO, "EIO"),
        (libc::EBADF, "EBADF"),
        (libc::EAGAIN, "EAGAIN"),
        (libc::ENOMEM, "ENOMEM"),
        (libc::EACCES, "EACCES"),
        (libc::EFAULT, "EFAULT"),
        (libc::EINVAL, "EINVAL"),
        (libc::EMFILE, "EMFILE"),
        (libc::ENOTTY, "ENOTTY"),
        (libc::ETXTBSY, "ETXTBSY"),
        (libc::ENOSPC, "ENOSPC"),
        (libc::EROFS, "EROFS"),
        (libc::ENOSYS, "ENOSYS"),
        (libc::ENOTCONN, "ENOTCONN"),
        (libc::EAFNOSUPPORT, "EAFNOSUPPORT"),
        (libc::ECONNREFUSED, "ECONNREFUSED"),
        (libc::EPROTONOSUPPORT, "EPROTONOSUPPORT"),
    ];
    known
        .iter()
        .find(|(number, _)| *number == errno)
        .map_or_else(|| format!("errno {errno}"), |(_, name)| (*name).to_owned())
}

/// An argument of a system call.
pub(crate) trait Argument {
    /// As the register holds it.
    fn word(self) -> u64;
}

impl Argument for i32 {
    fn word(self) -> u64 {
        i64::from(self).cast_unsigned()
    }
}
impl Argument for i64 {
    fn word(self) -> u64 {
        self.cast_unsigned()
    }
}
impl Argument for u64 {
    fn word(self) -> u64 {
        self
    }
}
impl Argument for &CStr {
    fn word(self) -> u64 {
        self.as_ptr().expose_provenance() as u64
    }
}
impl Argument for &[u8] {
    fn word(self) -> u64 {
        self.as_ptr().expose_provenance() as u64
    }
}
impl Argument for &mut [u8] {
    fn word(self) -> u64 {
        self.as_mut_ptr().expose_provenance() as u64
    }
}
impl Argument for &[u64] {
    fn word(self) -> u64 {
        self.as_ptr().expose_provenance() as u64
    }
}

/// `call!(SYS_mount, source, target, …)`: missing arguments are 0.
macro_rules! call {
    ($number:ident $(, $argument:expr)* $(,)?) => {{
        let given: &[u64] = &[$($crate::kernel::Argument::word($argument)),*];
        let mut words = [0_u64; 6];
        words[..given.len()].copy_from_slice(given);
        $crate::kernel::by_number(libc::$number, words)
    }};
}
pub(crate) use call;

/// A system call by number.
pub(crate) fn by_number(number: i64, [a, b, c, d, e, f]: [u64; 6]) -> Result<i64, Refusal> {
    // SAFETY: the words come from `Argument`: numbers, or the beginning of memory that the caller borrows across this
    // call and that is as long as the call expects. No attack gives the kernel memory of this program to keep.
    #[allow(unsafe_code)]
    let result = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    if result < 0 { Err(std::io::Error::last_os_error().into()) } else { Ok(result) }
}

/// A copy of this process; 0 in the copy.
pub(crate) fn fork() -> Result<i32, Refusal> {
    // SAFETY: this program has one thread while it attacks, so the copy may do whatever the original may.
    #[allow(unsafe_code)]
    match unsafe { libc::fork() } {
        -1 => Err(std::io::Error::last_os_error().into()),
        pid => Ok(pid),
    }
}

/// Ends this process at once.
pub(crate) fn exit(code: i32) -> ! {
    // SAFETY: runs nothing of this program any more.
    #[allow(unsafe_code)]
    unsafe {
        libc::_exit(code)
    }
}

/// Waits for a child; `None` when it has returned, else the signal that ended it.
pub(crate) fn wait(pid: i32) -> Option<i32> {
    let mut status = 0;
    // SAFETY: the status outlives the call.
    #[allow(unsafe_code)]
    while unsafe { libc::waitpid(pid, &raw mut status, 0) } < 0 {
        if std::io::Error::last_os_error().raw_os_error() != Some(libc::EINTR) {
            return None;
        }
    }
    libc::WIFSIGNALED(status).then(|| libc::WTERMSIG(status))
}

/// Tries something in a child. One that a signal ends has not succeeded.
pub(crate) fn in_a_child(attack: impl FnOnce() -> Tried) -> Tried {
    let (mut reader, writer): (PipeReader, PipeWriter) = std::io::pipe()?;
    let pid = fork()?;
    if pid == 0 {
        drop(reader);
        let text = match attack() {
            Ok(saw) => format!("+{saw}"),
            Err(Refusal(saw)) => format!("-{saw}"),
        };
        // A parent that is gone reads nothing.
        let _ = (&writer).write_all(text.as_bytes());
        exit(0);
    }
    drop(writer);
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes)?;
    let signal = wait(pid);
    let text = String::from_utf8_lossy(&bytes);
    match (text.split_at_checked(1), signal) {
        (Some(("+", saw)), _) => Ok(saw.to_owned()),
        (Some(("-", saw)), _) => refused(saw),
        (_, Some(signal)) => refused(format!("killed by signal {signal}")),
        (_, None) => refused("ended without a word"),
    }
}
