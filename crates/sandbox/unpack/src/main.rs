//! The program itself; what it does is told where it is done, in the library.

use std::io::Write as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    let line = match lambent_sandbox_unpack::run(std::env::args().skip(1)) {
        Ok(summary) => serde_json::to_string(&summary),
        Err(failure) => serde_json::to_string(&failure),
    };
    let line = line.expect("strings and numbers always have a JSON form");
    // The caller takes a missing line for what it is: this program's failure.
    match writeln!(std::io::stdout(), "{line}") {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
