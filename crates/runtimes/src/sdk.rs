//! What AWS's runtimes bring along and `lambent runtimes add` fetches: the AWS SDK of a language, Java's client.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{Family, RuntimeInfo, java};

/// What `lambent runtimes add` has brought or could bring for a runtime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Library {
    /// There is nothing to add.
    None,
    /// It is there, such as `boto3 1.43.5`.
    Present(String),
    /// It is not there.
    Absent {
        /// What it is.
        name: &'static str,
        /// Whether functions cannot run without it.
        required: bool,
    },
}

/// The file in a folder of packages that says what was installed. Written last, so that a folder has it or is no
/// installation.
pub const STAMP: &str = ".installed";

/// Where a runtime's AWS SDK is on the host, below the data folder's `runtimes`.
#[must_use]
pub fn folder(info: &RuntimeInfo, runtimes: &Path) -> Option<PathBuf> {
    mount_point(info).map(|_| runtimes.join("sdk").join(info.id))
}

/// Where it is shown inside.
#[must_use]
pub fn mount_point(info: &RuntimeInfo) -> Option<&'static str> {
    match info.family? {
        Family::Python { .. } => Some("/var/runtime/site-packages"),
        Family::NodeJs { .. } => Some("/var/runtime/node_modules"),
        Family::Provided | Family::Java { .. } | Family::Ruby { .. } | Family::DotNet { .. } => None,
    }
}

/// What of it is there.
#[must_use]
pub fn library(info: &RuntimeInfo, runtimes: &Path) -> Library {
    let name = match info.family {
        Some(Family::Java { .. }) if java::is_complete(&java::client_folder(runtimes)) => {
            return Library::Present(format!("AWS's client {}", java::CLIENT_VERSION));
        }
        Some(Family::Java { .. }) => return Library::Absent { name: "AWS's client", required: true },
        Some(Family::Python { .. }) => "boto3",
        Some(Family::NodeJs { .. }) => "the AWS SDK",
        _ => return Library::None,
    };
    let stamp = folder(info, runtimes).map(|folder| fs::read_to_string(folder.join(STAMP)));
    match stamp {
        Some(Ok(said)) => Library::Present(said.trim().to_owned()),
        _ => Library::Absent { name, required: false },
    }
}
