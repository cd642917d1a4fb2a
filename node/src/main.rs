//! `kvitto-node`: the program of a consortium member.

use std::process::ExitCode;

use clap::Parser;
use kvitto_node::args::Args;

fn main() -> ExitCode {
    match kvitto_node::args::run(Args::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("kvitto-node: {error:#}");
            ExitCode::FAILURE
        }
    }
}
