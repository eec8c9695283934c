//! A sandbox made for the doctor, in which each fence is walked into.

use std::path::PathBuf;
use std::time::Duration;

use lambent_model::{Bytes, EnvironmentId};
use lambent_sandbox_client::{
    Control, Event, Exit, Host, Isolation, Launcher, Network, Options, Program, Sandbox, Snapshotting, Spec,
};
use tokio::net::unix::pipe;

use super::{Check, Status};
use crate::world::SystemEntropy;

/// All of it takes a fraction of a second. On a machine that hangs the doctor is to say so.
pub(super) const TIMEOUT: Duration = Duration::from_secs(30);
const MEMORY: Bytes = Bytes::mib(48);
const TMP: Bytes = Bytes::mib(16);
const PROCESSES: u32 = 24;

/// Makes a sandbox, tries its fences, and leaves nothing behind.
pub(super) async fn run(host: &Host) -> Vec<Check> {
    let failed = |error: String| {
        let remedy = "see the error; without this functions run with `--isolation process` alone, which isolates nothing";
        vec![Check::new("trial sandbox", Status::Missing, error, Some(remedy))]
    };
    let folder = std::env::temp_dir().join(format!("lambent-doctor-{}", std::process::id()));
    let checks = match tokio::time::timeout(TIMEOUT, trial(host, folder.clone())).await {
        Ok(Ok(checks)) => checks,
        Ok(Err(error)) => failed(error),
        Err(_elapsed) => failed(format!("it was not done after {} seconds", TIMEOUT.as_secs())),
    };
    // It may never have been made.
    let _none_there = std::fs::remove_dir_all(folder);
    checks
}

async fn trial(host: &Host, scratch: PathBuf) -> Result<Vec<Check>, String> {
    let instance = format!("doctor-{}", std::process::id());
    let options = Options { scratch: Some(scratch), ..Options::new(instance) };
    let launcher = Launcher::start(options).await.map_err(|error| error.to_string())?;
    let sandbox = launcher.launch(spec(Snapshotting::No)).await.map_err(|error| error.to_string())?;
    let mut subject = Subject::new(sandbox)?;
    let keeps = |name: &str| host.controllers.iter().any(|c| c.name == name && c.missing.is_none());
    let mut checks = vec![subject.fences().await?, subject.tmp().await?, subject.memory().await?];
    checks.push(subject.processes().await?);
    if keeps("cpu") {
        checks.push(subject.cpu().await?);
    }
    Ok(checks)
}

/// What is made for a trial.
pub(super) fn spec(snapshots: Snapshotting) -> Spec {
    Spec {
        id: EnvironmentId::random(&SystemEntropy),
        isolation: Isolation::Namespaces,
        network: Network::None,
        mounts: Vec::new(),
        memory: MEMORY,
        tmp: TMP,
        pids: PROCESSES,
        snapshots,
    }
}

/// The sandbox under trial.
pub(super) struct Subject {
    sandbox: Sandbox,
    output: pipe::Receiver,
}

impl Subject {
    pub(super) fn new(mut sandbox: Sandbox) -> Result<Self, String> {
        // The sandbox keeps a pipe that nobody writes to in its place.
        let (unused, _) = rustix::pipe::pipe().map_err(|error| error.to_string())?;
        let stdio = std::mem::replace(&mut sandbox.output.stdio, unused);
        let output = pipe::Receiver::from_owned_fd(stdio).map_err(|error| error.to_string())?;
        Ok(Self { sandbox, output })
    }

    pub(super) fn control(&self) -> &Control {
        &self.sandbox.control
    }

    /// Starts a shell script, and waits until it has written something.
    pub(super) async fn begin(&mut self, script: &str) -> Result<(), String> {
        self.start(script).await?;
        self.output.readable().await.map_err(|error| error.to_string())
    }

    async fn start(&self, script: &str) -> Result<(), String> {
        let program = Program {
            argv: ["/bin/sh", "-c", script].map(Into::into).into(),
            env: vec![("PATH".into(), "/usr/bin:/bin:/usr/sbin:/sbin".into()), ("LC_ALL".into(), "C".into())],
            cwd: "/".into(),
        };
        self.sandbox.control.start(program).await.map_err(|error| error.to_string())
    }

    /// Runs a shell script to its end.
    async fn script(&mut self, script: &str) -> Result<(Exit, String), String> {
        self.start(script).await?;
        let mut said = Vec::new();
        let exit = loop {
            tokio::select! { biased;
                event = self.sandbox.events.recv() => match event {
                    Some(Event::Exited(exit)) => break exit,
                    Some(Event::StartFailed { errno }) => {
                        return Err(format!("/bin/sh could not be started (error {errno})"));
                    }
                    Some(Event::Gone { reason }) => return Err(format!("the trial sandbox ended: {reason}")),
                    // None of these was asked for.
                    Some(Event::Reset | Event::ExtensionStartFailed { .. } | Event::ExtensionExited { .. }) => {}
                    None => return Err("the trial sandbox ended".to_owned()),
                },
                readable = self.output.readable() => {
                    readable.map_err(|error| error.to_string())?;
                    self.drain(&mut said);
                }
            }
        };
        self.drain(&mut said);
        Ok((exit, String::from_utf8_lossy(&said).trim().to_owned()))
    }

    fn drain(&self, said: &mut Vec<u8>) {
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = self.output.try_read(&mut buffer) {
            said.extend_from_slice(&buffer[..length]);
        }
    }

    /// Rights, filters, the root and the network, as a program inside finds them.
    async fn fences(&mut self) -> Result<Check, String> {
        let script = "status() { sed -n \"s/^$1:[[:space:]]*//p\" /proc/self/status; }; \
             [ \"$(status CapBnd)$(status CapEff)\" = 00000000000000000000000000000000 ] || echo capabilities; \
             [ \"$(status NoNewPrivs)\" = 1 ] || echo new privileges; \
             [ \"$(status Seccomp)\" = 2 ] || echo no filter of system calls; \
             unshare -U true 2>/dev/null && echo new namespaces; \
             (: > /usr/lambent) 2>/dev/null && echo a writable /usr; \
             [ -e /home ] || [ -e /root ] || [ -e /sys/kernel ] && echo directories of the host; \
             [ \"$(grep -c : /proc/net/dev)\" = 1 ] || echo network devices; true";
        let (_, faults) = self.script(script).await?;
        Ok(judge_fences(&faults))
    }

    async fn tmp(&mut self) -> Result<Check, String> {
        let script = "head -c 67108864 /dev/zero > /tmp/all 2>/dev/null; wc -c < /tmp/all; rm /tmp/all";
        let (_, written) = self.script(script).await?;
        Ok(judge_tmp(&written))
    }

    async fn memory(&mut self) -> Result<Check, String> {
        let script = "x=$(head -c 134217728 /dev/zero | tr '\\0' x); echo ${#x}";
        let (exit, _) = self.script(script).await?;
        let kills = self.sandbox.control.usage().oom_kills;
        Ok(match (exit, kills) {
            (Exit::Code(0), _) => kept_not("memory", "a program got 128 MB of 48"),
            (_, 0) => kept_not("memory", "a program that took too much failed, and nothing counted why"),
            _ => kept("memory", "a program that took more than its 48 MB was killed"),
        })
    }

    async fn processes(&mut self) -> Result<Check, String> {
        let script = "n=0; while [ $n -lt 60 ]; do sleep 60 & n=$((n+1)); echo $n; done 2>/dev/null";
        let (_, counted) = self.script(script).await?;
        let most = counted.lines().filter_map(|line| line.parse::<u32>().ok()).max().unwrap_or(0);
        self.sandbox.control.reset().await.map_err(|error| error.to_string())?;
        while self.sandbox.events.recv().await.ok_or("the trial sandbox ended")? != Event::Reset {}
        Ok(if most <= PROCESSES {
            kept("processes", format!("of 60 processes {most} were made, and killed again"))
        } else {
            kept_not("processes", format!("{most} processes were made where {PROCESSES} are allowed"))
        })
    }

    /// The processor's time is not measured here, where the machine may be busy: the kernel has taken the share.
    async fn cpu(&mut self) -> Result<Check, String> {
        Ok(match self.sandbox.control.set_cpu(Some(72)).await {
            Ok(()) => kept("cpu", "the kernel has taken a share of 7.2 % of a CPU"),
            Err(error) => kept_not("cpu", error.to_string()),
        })
    }
}

fn judge_fences(faults: &str) -> Check {
    if faults.is_empty() {
        return Check::new(
            "fences",
            Status::Ok,
            "tried from inside: no rights, filtered system calls, composed root, network of its own",
            None,
        );
    }
    let found = format!("a program inside has: {}", faults.lines().collect::<Vec<_>>().join(", "));
    let remedy =
        "do not run strangers' code here; please report this with the output of `lambent doctor --json`";
    Check::new("fences", Status::Missing, found, Some(remedy))
}

fn judge_tmp(written: &str) -> Check {
    match written.parse::<u64>() {
        // What a file system needs for itself may be given to the function as well.
        Ok(bytes) if (TMP.0..TMP.0 + TMP.0 / 4).contains(&bytes) => {
            kept("/tmp", "a file of 64 MB ended where the 16 MB were full")
        }
        Ok(bytes) => kept_not("/tmp", format!("{bytes} bytes could be written where {} are set", TMP.0)),
        Err(_) => kept_not("/tmp", "nothing could be written"),
    }
}

fn kept(limit: &str, found: impl Into<String>) -> Check {
    Check::new(&format!("limit of {limit}"), Status::Ok, found, None)
}

fn kept_not(limit: &str, found: impl Into<String>) -> Check {
    let remedy =
        "this limit is not kept; run as root, or delegate the cgroup controllers (systemd: Delegate=yes)";
    Check::new(&format!("limit of {limit}"), Status::Warning, found, Some(remedy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_full_tmp_of_the_right_size_is_kept() {
        for (written, status) in [
            ("16777216", Status::Ok),
            ("17000000", Status::Ok),
            ("67108864", Status::Warning),
            ("0", Status::Warning),
            ("", Status::Warning),
        ] {
            assert_eq!(judge_tmp(written).status, status, "{written}");
        }
    }

    #[test]
    fn one_open_fence_is_what_counts() {
        assert_eq!(judge_fences("").status, Status::Ok);
        let open = judge_fences("capabilities\na writable /usr");
        assert_eq!(
            (open.status, open.found.as_str()),
            (Status::Missing, "a program inside has: capabilities, a writable /usr")
        );
    }
}
