//! The relay that stands for the least an invocation can cost.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;

use super::prepare::Programs;
use super::process::{Running, cpu_time, descendants};
use super::subject::Subject;

/// A running relay with its functions.
#[derive(Debug)]
pub(crate) struct Floor {
    relay: Running,
    address: String,
}

impl Floor {
    /// Starts a relay; `program` is started by the first request.
    pub(crate) fn start(
        programs: &Programs,
        subject: &Subject,
        program: &[String],
        environments: usize,
    ) -> anyhow::Result<Self> {
        let mut command = Command::new(&programs.floor);
        command.args(["--environments", &environments.to_string(), "--"]).args(program);
        command.current_dir(&subject.folder).env_clear().envs(environment(subject));
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut relay = Running::start("the floor", &mut command)?;
        let out = relay.child.stdout.take().context("the floor's output is a pipe")?;
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line).context("cannot read from the floor")?;
        let address = line.trim().strip_prefix("Ready ").context("the floor did not start")?.to_owned();
        Ok(Self { relay, address })
    }

    /// Where clients invoke the function.
    pub(crate) fn url(&self, subject: &Subject) -> String {
        format!("http://{}/2015-03-31/functions/{}/invocations", self.address, subject.name)
    }

    /// CPU time so far: of the relay, and of the functions.
    pub(crate) fn cpu(&self) -> anyhow::Result<FloorCpu> {
        let functions = descendants(self.relay.pid())?;
        Ok(FloorCpu { relay: cpu_time(&[self.relay.pid()])?, functions: cpu_time(&functions)? })
    }

    /// Ends it, functions first.
    pub(crate) fn stop(self) -> anyhow::Result<()> {
        self.relay.stop()
    }
}

/// CPU time of the floor's processes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FloorCpu {
    pub(crate) relay: Duration,
    pub(crate) functions: Duration,
}

/// What a function finds in its environment on AWS and a client asks for (Developer Guide, "Defined runtime
/// environment variables"). Nothing of ours is inherited.
fn environment(subject: &Subject) -> Vec<(&'static str, String)> {
    let folder = subject.folder.display().to_string();
    vec![
        ("PATH", "/usr/local/bin:/usr/bin:/bin".to_owned()),
        ("LANG", "en_US.UTF-8".to_owned()),
        ("TZ", ":UTC".to_owned()),
        ("LAMBDA_TASK_ROOT", folder),
        ("_HANDLER", subject.handler.to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_EXECUTION_ENV", format!("AWS_Lambda_{}", subject.runtime)),
        ("AWS_LAMBDA_FUNCTION_NAME", subject.name.to_owned()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", super::server::MEMORY_MB.to_string()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", subject.name)),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "2026/01/01/[$LATEST]00000000000000000000000000000000".to_owned()),
    ]
}
