//! The `lambent` binary: puts the command line and the server together, and holds nothing of its own.

mod demo;
mod report;
mod runtimes;
mod up;

use std::path::Path;
use std::process::ExitCode;

use lambent_cli::{Cli, Command, Family, Terminal};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    if arguments.next().is_some_and(|name| name == lambent_server::discovery::PROGRAM) {
        return discover(arguments);
    }
    let Cli { global, command } = lambent_cli::parse();
    let terminal = Terminal::stdio(global.color, global.json);
    let code = match command {
        Command::Up(arguments) => up::run(arguments, &terminal),
        Command::Doctor => wait(report::doctor(&terminal)),
        Command::Runtimes(arguments) => runtimes::run(&arguments, &terminal),
        Command::Completions { shell } => lambent_cli::completions(shell, &terminal),
        Command::Client(command) => {
            let default_runtime = |family| default_runtime(family, &report::data_dir());
            wait(lambent_cli::run(command, &global, &terminal, &default_runtime))
        }
    };
    code.into()
}

/// The server's helper: see [`lambent_server::discovery`].
fn discover(arguments: std::env::ArgsOs) -> ExitCode {
    match lambent_server::discovery::run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the interpreters of this host cannot be found out: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a command that is one conversation: a single thread is enough.
fn wait<F: Future>(work: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("the operating system gives a thread its event queue")
        .block_on(work)
}

/// The newest runtime of a language that this machine can run; `deploy` takes it where the folder does not say more.
fn default_runtime(family: Family, data_dir: &Path) -> Option<String> {
    if family == Family::Provided {
        // Needs nothing of the machine.
        return Some("provided.al2023".into());
    }
    // Without a data folder nothing is known of the machine, and the user has to name the runtime.
    newest_runtime(family, &report::catalogue(data_dir).ok()?)
}

fn newest_runtime(family: Family, catalogue: &lambent_runtimes::Catalogue) -> Option<String> {
    let of_family = |found: &lambent_runtimes::Family| match family {
        Family::Python => matches!(found, lambent_runtimes::Family::Python { .. }),
        Family::Nodejs => matches!(found, lambent_runtimes::Family::NodeJs { .. }),
        Family::Ruby => matches!(found, lambent_runtimes::Family::Ruby { .. }),
        Family::Java => matches!(found, lambent_runtimes::Family::Java { .. }),
        Family::Provided => matches!(found, lambent_runtimes::Family::Provided),
    };
    let entries = catalogue.entries();
    let usable = entries.iter().filter(|entry| !matches!(entry.status, lambent_runtimes::Status::Missing(_)));
    let mut fitting = usable.filter(|entry| entry.info.family.as_ref().is_some_and(of_family));
    fitting.next().map(|entry| entry.info.id.to_owned())
}
