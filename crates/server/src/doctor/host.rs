//! What the launcher says of the host, without a sandbox.

use lambent_sandbox_client::{Cgroups, Host};

use super::{Check, Status, network};
use crate::namespaces::Policy;
use crate::user::ServiceUser;

pub(super) fn sandbox(host: &Host) -> Vec<Check> {
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
    let mut checks = vec![
        rights,
        namespaces,
        ephemeral_storage(host),
        landlock(host),
        network::check(host),
        freezer(host),
    ];
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

fn landlock(host: &Host) -> Check {
    match host.landlock {
        Some(version @ 2..) => Check::new("landlock", Status::Ok, format!("version {version}"), None),
        other => Check::new(
            "landlock",
            Status::Warning,
            other.map_or("the kernel has none".into(), |version| {
                format!("version {version}, which is not used")
            }),
            Some(
                "sandboxes have one fence less around files; Linux 5.19 has it, unless lsm= on its command line \
                 leaves it out",
            ),
        ),
    }
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

fn freezer(host: &Host) -> Check {
    match &host.freezer_error {
        None => Check::new("freeze", Status::Ok, "environments are frozen between invocations", None),
        Some(error) => Check::new(
            "freeze",
            Status::Warning,
            format!("timers and background threads go on between invocations, which AWS stops: {error}"),
            Some(
                "run as root, or let systemd delegate a cgroup: `systemd-run --user --scope -p Delegate=yes lambent up`",
            ),
        ),
    }
}
