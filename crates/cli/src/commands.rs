//! The commands that talk to the server.

mod apply;
mod deploy;
mod error;
mod functions;
mod invoke;
mod logs;
mod report;

use std::thread;

pub(crate) use apply::{find, settle};
pub use error::Error;
pub(crate) use report::{Report, milliseconds};
use tokio::sync::oneshot;

use crate::client::{Client, Settings, SystemClock};
use crate::{ClientCommand, ExitCode, Family, GlobalArgs, Terminal, render};

/// Names the runtime that a folder of a family is for when nobody says so: the newest that there is an interpreter for.
pub type DefaultRuntime<'a> = &'a (dyn Fn(Family) -> Option<String> + Sync);

/// Runs a command to its end or until Ctrl-C, and says on `terminal` what went wrong.
pub async fn run(
    command: ClientCommand,
    global: &GlobalArgs,
    terminal: &Terminal,
    default_runtime: DefaultRuntime<'_>,
) -> ExitCode {
    let settings = match Settings::resolve(global, |name| std::env::var(name).ok()) {
        Ok(settings) => settings,
        Err(error) => {
            terminal.error(&error);
            return ExitCode::Usage;
        }
    };
    let client = Client::new(settings, std::sync::Arc::new(SystemClock));
    // Stopping it by hand is how following a log is meant to end.
    let follows = matches!(&command, ClientCommand::Logs(args) if args.follow);
    tokio::select! {
        biased; // A command that has ended is not interrupted any more.
        code = run_with(&client, command, terminal, default_runtime) => code,
        _ = tokio::signal::ctrl_c() => if follows { ExitCode::Ok } else { ExitCode::Interrupted },
    }
}

/// Runs a command over an existing client.
pub(crate) async fn run_with(
    client: &Client,
    command: ClientCommand,
    terminal: &Terminal,
    default_runtime: DefaultRuntime<'_>,
) -> ExitCode {
    // Boxed where requests with all of their members live across a wait: the caller's future stays small.
    let result = match command {
        ClientCommand::Deploy(args) => {
            Box::pin(deploy::deploy(client, args, terminal, default_runtime)).await
        }
        ClientCommand::Invoke(args) => Box::pin(invoke::invoke(client, args, terminal)).await,
        ClientCommand::Logs(args) => logs::logs(client, args, terminal).await,
        ClientCommand::Functions => functions::functions(client, terminal).await,
    };
    match result {
        Ok(code) => code,
        Err(Error::Output(error)) => render::written(terminal, Err(error), ExitCode::Ok),
        Err(error) => {
            terminal.error(&error);
            let code = error.exit_code();
            if code == ExitCode::NotFound {
                terminal.say("\"lambent functions\" lists the functions of this account and region");
            }
            code
        }
    }
}

/// Runs blocking `work` on a thread of its own. Not on the runtime's pool: a read from a terminal cannot be given up,
/// and the runtime would wait for it at Ctrl-C, while a plain thread ends with the process.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = oneshot::channel();
    thread::spawn(move || {
        // The receiver is gone when the command was interrupted: then nobody wants the result.
        let _: Result<(), T> = sender.send(work());
    });
    receiver.await.expect("the thread sends its result unless it panics, and a panic there is one here")
}

#[cfg(test)]
mod tests;
