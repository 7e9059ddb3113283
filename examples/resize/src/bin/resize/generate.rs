//! The manual page and completions for shells, made from the command line itself.

use std::io;

use clap::{CommandFactory, ValueEnum};
use clap_complete::Shell;
use longshore_cli::print;

use crate::cli::Program;

/// What `--generate` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Generate {
    /// The manual page, for man(1)
    Man,
    /// Completions for bash
    CompleteBash,
    /// Completions for elvish
    CompleteElvish,
    /// Completions for fish
    CompleteFish,
    /// Completions for PowerShell
    CompletePowershell,
    /// Completions for zsh
    CompleteZsh,
}

/// Prints it.
///
/// # Errors
/// What the system says.
pub fn print(what: Generate) -> io::Result<()> {
    let mut command = Program::command();
    let shell = match what {
        Generate::Man => return print::report(|mut out| clap_mangen::Man::new(command).render(&mut out)),
        Generate::CompleteBash => Shell::Bash,
        Generate::CompleteElvish => Shell::Elvish,
        Generate::CompleteFish => Shell::Fish,
        Generate::CompletePowershell => Shell::PowerShell,
        Generate::CompleteZsh => Shell::Zsh,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, crate::PROGRAM, &mut script);
    print::report(|out| out.write_all(&script))
}
