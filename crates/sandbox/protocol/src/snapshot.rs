//! Messages about snapshots: a program of a sandbox with all its memory, in files of the launcher's, from which it can be
//! brought to life in other sandboxes.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::Raw;

/// What the launcher needs to take any.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshots {
    /// Absolute path of a folder for the files, which the launcher makes where it is missing, empties at its start, and
    /// keeps closed to everybody else: they hold what the programs' memory held.
    pub folder: Raw,
    /// Absolute path of the folder below which CRIU and its libraries lie as in a file system's root: `/` where CRIU is
    /// installed.
    pub criu: Raw,
}

/// Take one of a sandbox's program: answered by [`crate::FromLauncher::Snapshotted`]. The program stays stopped. There may
/// be no other process in the sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    /// The sandbox, made for it: see [`crate::Snapshotting::Take`].
    pub id: String,
    /// Names the snapshot: letters, digits and `-`. There is none of this name yet.
    pub snapshot: String,
    /// The connection on which the program waits for an answer, which it gets when it has been brought to life. All others
    /// will be closed then.
    pub asking: Option<Ends>,
}

/// Those of a TCP connection inside of a sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ends {
    /// The program's end.
    pub from: SocketAddr,
    /// The other one, which init listens at.
    pub to: SocketAddr,
}

/// Bring a snapshot to life in a sandbox that was made for it, without a program, whose init expects it: answered by
/// [`crate::FromLauncher::Restored`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restore {
    /// The sandbox.
    pub id: String,
    /// The snapshot.
    pub snapshot: String,
    /// What is asked once more in the program's name, on a new connection in the place of [`Snapshot::asking`].
    pub request: String,
}

/// The process in a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// Its number inside, which it will have again.
    pub pid: i32,
    /// The inode number of the pipe of its standard output and error.
    pub stdio: u64,
    /// The inode number of its telemetry pipe.
    pub telemetry: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// Whether there are files of its `/tmp`.
    pub has_files: bool,
    /// Where it waits for an answer.
    pub asking: Option<Asking>,
}

/// Where a process in a snapshot waits for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asking {
    /// The process's number inside.
    pub pid: i32,
    /// Its descriptor of the connection.
    pub descriptor: i32,
    /// What it is connected to.
    pub to: SocketAddr,
}
