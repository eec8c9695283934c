//! What this machine offers, what is missing, and what to do about it.

use std::path::Path;

use lambent_runtimes::{Catalogue, Search, Status as RuntimeStatus};
use lambent_sandbox_client::{Cgroups, Host};

use crate::namespaces::Policy;
use crate::user::ServiceUser;

mod network;

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// All is there.
    Ok,
    /// It works, with less.
    Warning,
    /// It does not work.
    Missing,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What.
    pub name: String,
    /// How it went.
    pub status: Status,
    /// What was found.
    pub found: String,
    /// What to do, unless all is well.
    pub remedy: Option<String>,
}

impl Check {
    fn new(name: &str, status: Status, found: impl Into<String>, remedy: Option<&str>) -> Self {
        Self { name: name.into(), status, found: found.into(), remedy: remedy.map(Into::into) }
    }
}

/// Looks at everything a server with this data folder would use.
pub async fn examine(data_dir: &Path) -> Vec<Check> {
    let mut checks = vec![kernel()];
    match lambent_sandbox_client::probe().await {
        Ok(host) => checks.extend(sandbox(&host)),
        Err(error) => checks.push(Check::new(
            "sandbox",
            Status::Missing,
            error.to_string(),
            Some(
                "the launcher could not be started; a hardened kernel may forbid programs in memory (memfd)",
            ),
        )),
    }
    checks.push(freezer());
    checks.push(descriptors());
    checks.push(data_folder(data_dir));
    checks.push(runtimes(data_dir));
    checks
}

/// The first Linux with `mount_setattr`, by which mounts of a sandbox are sealed before anybody sees them.
const OLDEST_KERNEL: (u32, u32) = (5, 12);

fn kernel() -> Check {
    let uname = rustix::system::uname();
    judge_kernel(&uname.release().to_string_lossy())
}

fn judge_kernel(release: &str) -> Check {
    let found = format!("Linux {release}");
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    let version = match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => Some((major, minor)),
        _ => None,
    };
    match version {
        Some(version) if version >= OLDEST_KERNEL => Check::new("kernel", Status::Ok, found, None),
        Some(_) => Check::new(
            "kernel",
            Status::Missing,
            found,
            Some("isolation needs Linux 5.12 or newer; on this one only `--isolation process` works"),
        ),
        None => Check::new(
            "kernel",
            Status::Warning,
            found,
            Some("its version cannot be read; isolation needs Linux 5.12 or newer"),
        ),
    }
}

fn sandbox(host: &Host) -> Vec<Check> {
    let rights = if host.root {
        match ServiceUser::find() {
            Ok(user) => {
                let found =
                    format!("root: sandboxes with a range of user ids each, and the server as {user}");
                Check::new("rights", Status::Ok, found, None)
            }
            Err(error) => Check::new(
                "rights",
                Status::Missing,
                format!("the user whom the server is to run as cannot be determined: {error}"),
                Some("mend the lines of lambent in /etc/passwd and /etc/group"),
            ),
        }
    } else {
        Check::new(
            "rights",
            Status::Warning,
            "not root: every sandbox has the server's one user id; for your own code, not for strangers'",
            Some("nothing to do for your own code; for other people's run lambent as root (sudo)"),
        )
    };
    let namespaces = match &host.namespaces_error {
        None => Check::new("namespaces", Status::Ok, "a trial sandbox could be made", None),
        Some(error) => {
            Check::new("namespaces", Status::Missing, error, Some(&Policy::read().remedy(host.root)))
        }
    };
    let generation = match host.cgroups {
        Cgroups::None => "none",
        Cgroups::V1 => "version 1",
        Cgroups::V2 => "version 2",
        Cgroups::Hybrid => "version 1 limits beside version 2",
    };
    let mut checks = vec![rights, namespaces, ephemeral_storage(host), network::check(host)];
    for controller in &host.controllers {
        let name = format!("cgroup {}", controller.name);
        let delegate = "run as root, or let systemd delegate the controllers: `systemd-run --user --scope -p \
                        Delegate=yes lambent up`";
        checks.push(match (&controller.missing, &controller.instead) {
            (None, _) => Check::new(&name, Status::Ok, generation, None),
            (Some(error), Some(instead)) => {
                Check::new(&name, Status::Warning, format!("{instead}, because {error}"), Some(delegate))
            }
            (Some(error), None) => Check::new(
                &name,
                Status::Warning,
                format!("{generation}: {error}"),
                Some(&format!("this limit is not kept; {delegate}")),
            ),
        });
    }
    checks
}

fn ephemeral_storage(host: &Host) -> Check {
    match &host.tmp_error {
        None => {
            Check::new("/tmp", Status::Ok, "a file system of its own for each environment, on disk", None)
        }
        Some(error) => {
            let remedy = if host.root {
                "install e2fsprogs (mke2fs), and see that the kernel has loop devices and ext4; in a container, start \
                 it with --privileged"
            } else {
                "nothing to do where there is enough memory for it; as root it is on disk"
            };
            Check::new("/tmp", Status::Warning, error, Some(remedy))
        }
    }
}

/// Environments keep running between invocations for now, which AWS's do not.
fn freezer() -> Check {
    Check::new(
        "freeze",
        Status::Warning,
        "idle environments are not frozen in this version: timers and background threads go on",
        Some("nothing to do; see docs/compatibility.md"),
    )
}

fn descriptors() -> Check {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
    match limit {
        Some(limit) if limit < 16_384 => Check::new(
            "open files",
            Status::Warning,
            format!("at most {limit}, enough for about {} environments", limit / 12),
            Some("raise the hard limit (ulimit -Hn, LimitNOFILE=)"),
        ),
        limit => Check::new(
            "open files",
            Status::Ok,
            limit.map_or("unlimited".into(), |limit| limit.to_string()),
            None,
        ),
    }
}

fn data_folder(dir: &Path) -> Check {
    // The nearest folder that exists is the one that decides.
    let existing = dir.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(Path::new("/"));
    match rustix::fs::statvfs(existing) {
        Ok(stat) => {
            let free = stat.f_bavail.saturating_mul(stat.f_frsize) / (1024 * 1024);
            let found = format!("{}, {free} MB free", dir.display());
            if free < 1024 {
                let remedy = Some("free some space or choose another folder with --data-dir");
                Check::new("data folder", Status::Warning, found, remedy)
            } else {
                Check::new("data folder", Status::Ok, found, None)
            }
        }
        Err(error) => Check::new(
            "data folder",
            Status::Missing,
            format!("{}: {error}", dir.display()),
            Some("choose another folder with --data-dir"),
        ),
    }
}

/// No host has every version; one of each language that can be run is what a fresh machine needs to begin with.
fn judge_runtimes(ready: &[&str]) -> Check {
    let lacks = |language: &str| !ready.iter().any(|id| id.starts_with(language));
    let remedy = match (lacks("python"), lacks("nodejs")) {
        (false, false) => None,
        (true, false) => Some("no Python is found; `lambent runtimes` says what to install"),
        (false, true) => Some("no Node.js is found; `lambent runtimes` says what to install"),
        (true, true) => Some("neither Python nor Node.js is found; `lambent runtimes` says what to install"),
    };
    let status = if remedy.is_some() { Status::Warning } else { Status::Ok };
    Check::new("runtimes", status, ready.join(" "), remedy)
}

fn runtimes(data_dir: &Path) -> Check {
    let search = Search::from_environment(|name| std::env::var_os(name));
    match Catalogue::discover(data_dir, &search) {
        Ok(catalogue) => {
            let entries = catalogue.entries();
            let usable = |status: &RuntimeStatus| !matches!(status, RuntimeStatus::Missing(_));
            let ready: Vec<&str> =
                entries.iter().filter(|entry| usable(&entry.status)).map(|entry| entry.info.id).collect();
            judge_runtimes(&ready)
        }
        Err(error) => Check::new(
            "runtimes",
            Status::Missing,
            error.to_string(),
            Some("the data folder must be writable; choose another with --data-dir"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_before_5_12_cannot_isolate() {
        for (release, status) in [
            ("6.18.44-fc", Status::Ok),
            ("5.12", Status::Ok),
            ("5.12-rc1", Status::Ok),
            ("5.11.22-generic", Status::Missing),
            ("4.19.0", Status::Missing),
            ("unknown", Status::Warning),
        ] {
            let check = judge_kernel(release);
            assert_eq!((check.status, check.remedy.is_none()), (status, status == Status::Ok), "{release}");
        }
    }

    #[test]
    fn a_language_without_an_interpreter_is_a_warning() {
        let all = judge_runtimes(&["python3.8", "nodejs20.x", "provided.al2023"]);
        assert_eq!((all.status, all.remedy), (Status::Ok, None));
        let some = judge_runtimes(&["python3.8", "provided.al2023"]);
        assert_eq!(some.status, Status::Warning);
        assert!(some.remedy.is_some_and(|remedy| remedy.contains("Node.js")));
    }
}
