//! `mutants`: plants bugs in a copy of the sources, and asks whether simulation and tests notice each of them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use kvitto_tests::mutants::{self, Mutant, VARIABLE};

/// Plants bugs in a copy of the sources, and asks whether simulation and tests notice each of them.
#[derive(Debug, Parser)]
struct Args {
    /// Only these.
    names: Vec<String>,
    /// Seeds within which the simulation must notice one.
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// Where the copy is kept and built; the workspace's `target/mutants` by default.
    #[arg(long)]
    copy: Option<PathBuf>,
}

/// The copy, built.
struct Copy {
    folder: PathBuf,
    seeds: u64,
}

impl Copy {
    fn cargo(&self) -> Command {
        let mut cargo = Command::new("cargo");
        cargo.current_dir(&self.folder).env_remove(VARIABLE).env("CARGO_TARGET_DIR", self.target());
        cargo
    }

    fn target(&self) -> PathBuf {
        self.folder.join("target")
    }

    fn build(&self, gates: &BTreeSet<&str>) -> Result<()> {
        for gate in gates {
            let mut cargo = self.cargo();
            match *gate {
                "sim" => cargo.args(["build", "-p", "kvitto-tests", "--bin", "sim"]),
                package => cargo.args(["test", "--no-run", "-p", package]),
            };
            ensure!(cargo.status().context("cargo")?.success(), "the copy does not build");
        }
        Ok(())
    }

    /// What the gate says when this bug is switched on; nothing when it notices nothing.
    fn ask(&self, gate: &str, on: &str) -> Result<Option<String>> {
        let mut command = if gate == "sim" {
            let mut sim = Command::new(self.target().join("debug/sim"));
            sim.arg(self.seeds.to_string());
            sim
        } else {
            let mut cargo = self.cargo();
            cargo.args(["test", "--no-fail-fast", "-p", gate]);
            cargo
        };
        let output = command.env(VARIABLE, on).stderr(Stdio::piped()).output().context(gate.to_owned())?;
        if output.status.success() {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let told = |line: &&str| line.starts_with("seed ") || line.ends_with("... FAILED");
        let line = text.lines().find(told);
        let line = line.with_context(|| format!("{gate} failed and did not say at what"))?;
        let what = line.trim_start_matches("test ").trim_end_matches(" ... FAILED");
        // A seed says at length what it found.
        Ok(Some(what.splitn(3, ": ").take(2).collect::<Vec<_>>().join(": ")))
    }
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(args: &Args) -> Result<bool> {
    let all = mutants::all()?;
    let wanted = |mutant: &&Mutant| args.names.is_empty() || args.names.contains(&mutant.name);
    let chosen: Vec<_> = all.iter().filter(wanted).collect();
    ensure!(!chosen.is_empty(), "there is no such mutant");
    let folder = args.copy.clone().unwrap_or_else(|| Path::new(mutants::workspace()).join("target/mutants"));
    mutants::plant(&all, &folder)?;
    let copy = Copy { folder, seeds: args.seeds };
    let gates: BTreeSet<_> = chosen.iter().map(|mutant| mutant.gate.as_str()).collect();
    copy.build(&gates)?;
    for gate in &gates {
        if let Some(what) = copy.ask(gate, "")? {
            bail!("{gate} fails with no bug switched on: {what}");
        }
    }
    println!("| Planted bug | What it does | Noticed by |\n|---|---|---|");
    let mut missed = 0;
    for Mutant { name, why, gate, .. } in &chosen {
        let noticed = copy.ask(gate, name)?;
        missed += usize::from(noticed.is_none());
        let by = noticed.map_or("**nothing**".to_owned(), |what| format!("`{gate}`, {what}"));
        println!("| `{name}` | {why} | {by} |");
    }
    println!("\n{} planted, {} noticed", chosen.len(), chosen.len() - missed);
    Ok(missed == 0)
}
