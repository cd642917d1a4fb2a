//! The program `kvitto`: parses, runs, and maps the result to an exit code.

use std::process::ExitCode;

use kvitto_cli::{Cli, Exit, Output, run};

fn main() -> ExitCode {
    let cli = match Cli::read(std::env::args_os(), &mut std::io::stderr()) {
        Ok(cli) => cli,
        Err(exit) => return exit.into(),
    };
    let mut output = Output::standard(cli.global.json);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match runtime {
        Ok(runtime) => runtime.block_on(run(&cli, &mut output)).into(),
        Err(_) => Exit::Internal.into(),
    }
}
