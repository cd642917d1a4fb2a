//! The program `kvitto`: parses, runs, and maps the result to an exit code.

use std::process::ExitCode;

use clap::Parser;
use kvitto_cli::{Cli, Exit, Output, run};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut output = Output::standard(cli.global.json);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match runtime {
        Ok(runtime) => runtime.block_on(run(&cli, &mut output)).into(),
        Err(_) => Exit::Internal.into(),
    }
}
