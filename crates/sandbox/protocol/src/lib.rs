//! Messages between server, launcher and init, and the channel they travel on.
//!
//! ```text
//! server ──ToLauncher──▶ launcher      one channel; the launcher makes and ends sandboxes
//! server ◀─FromLauncher─ launcher
//! server ──ToInit──▶ init              one channel for each sandbox, made by the server; the launcher
//! server ◀─FromInit─ init              only passes init's end on, so it never stands in the way
//! ```
//!
//! Each message is one JSON document in one datagram of a `SOCK_SEQPACKET` pair, so a reader never sees half a
//! message. File descriptors travel beside it (`SCM_RIGHTS`). The first message each way is a hello that carries
//! [`VERSION`]. What is foreign, oversized or out of order is a named [`Error`].
//!
//! The launcher has rights that the server has given up, so it takes nothing from it on trust but the hello, which was
//! sent before: every later message goes through [`decode_request`].

mod channel;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod message;
pub mod process;
mod raw;
mod request;
mod snapshot;

pub use channel::{
    Datagram, Error, MAX_FDS, MAX_MESSAGE, decode, encode, receive, receive_datagram, send, send_encoded,
};
pub use message::{
    Assign, Assignment, Cgroups, Confinement, Controller, Counters, Declaration, FIRST_PID, Failure, Freezer,
    FromInit, FromLauncher, Host, InitHello, Launch, Layout, MountPoint, Nat, Purpose, Reach, Snapshotting,
    Start, ToInit, ToLauncher, Tree, Trees, Unpack, UnpackEnd, User,
};
pub use raw::Raw;
pub use request::{LAUNCH_FDS, Rejection, UNPACK_FDS, decode_request};
pub use snapshot::{Asking, Ends, Image, Restore, Snapshot, Snapshots};

/// The version of these messages. Server, launcher and init come out of one binary, so a difference means that an
/// older program is still running: both sides then refuse to talk.
pub const VERSION: u32 = 4;

/// The descriptors that init is started with, beside /dev/null on 0, 1 and 2.
pub mod init_fd {
    /// Init's end of the channel to the server.
    pub const CONTROL: i32 = 3;
    /// Write end of the function's standard output and error.
    pub const STDIO: i32 = 4;
    /// Write end of the telemetry pipe.
    pub const TELEMETRY: i32 = 5;
}

/// The descriptor on which a function finds the telemetry pipe, the same as on AWS.
pub const TELEMETRY_FD: i32 = 62;

/// The descriptor on which a program that was started in advance says that it is ready and learns what it is for. It
/// closes it before it runs anything of a function.
pub const ASSIGNMENT_FD: i32 = 63;
