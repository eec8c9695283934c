//! `lambent completions SHELL`.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::{Cli, ExitCode, Terminal, render};

/// Writes the completion script of a shell to standard output.
#[must_use]
pub fn completions(shell: Shell, terminal: &Terminal) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "lambent", &mut script);
    let text = String::from_utf8(script).expect("clap's names and descriptions are UTF-8");
    render::written(terminal, terminal.line(text.trim_end()), ExitCode::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_gets_a_script_that_knows_the_commands() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let (terminal, out, _) = Terminal::captured(false);
            assert_eq!(completions(shell, &terminal), ExitCode::Ok);
            assert!(out.text().contains("deploy"), "{shell}");
        }
    }
}
