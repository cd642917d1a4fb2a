//! Runs the command line `kvitto` in this process, and shows what a person would type and see.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::{Command, CommandFactory, FromArgMatches};
use kvitto_cli::{Cli, Collected, Exit, Output};
use serde_json::Value;

/// See the module's head.
pub(crate) struct Shell {
    trust: PathBuf,
}

impl Shell {
    /// Every command trusts this file.
    pub(crate) fn new(trust: PathBuf) -> Self {
        Self { trust }
    }

    /// Runs `kvitto` with these words, shows both, and checks that it ends as one of `expected`.
    ///
    /// # Errors
    /// When it ends otherwise, or nothing can be shown.
    pub(crate) async fn run(&self, words: &[&str], expected: &[Exit]) -> Result<()> {
        let line = self.line(words);
        say(&format!("  $ {}", line.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")))?;
        let (exit, shown) = execute(&line, false).await?;
        for line in shown.lines() {
            say(&format!("    {line}"))?;
        }
        let names: Vec<_> = expected.iter().map(|exit| exit.name()).collect();
        ensure!(
            expected.contains(&exit),
            "the command ended with {}, not {}",
            exit.name(),
            names.join(" or ")
        );
        Ok(())
    }

    /// Runs `kvitto` with these words and shows nothing; gives its answer in JSON.
    ///
    /// # Errors
    /// When it does not answer.
    pub(crate) async fn ask(&self, words: &[&str]) -> Result<Value> {
        let (_, answer) = execute(&self.line(words), true).await?;
        serde_json::from_str(&answer).with_context(|| format!("{words:?} answers {answer:?}"))
    }

    fn line(&self, words: &[&str]) -> Vec<String> {
        let trust = self.trust.display().to_string();
        ["kvitto"].iter().chain(words).chain(&["--trust", &trust]).map(|word| (*word).to_owned()).collect()
    }
}

/// Prints a line.
///
/// # Errors
/// When nobody reads any more, or the disk is full.
pub(crate) fn say(words: &str) -> Result<()> {
    writeln!(io::stdout(), "{words}").context("cannot print")
}

/// Runs a line: how it ended, and what it printed.
async fn execute(line: &[String], json: bool) -> Result<(Exit, String)> {
    let matches = without_environment(Cli::command()).try_get_matches_from(line)?;
    let cli = Cli::from_arg_matches(&matches)?;
    let seen = Collected::default();
    let mut output = Output::new(json, Box::new(seen.clone()), Box::new(seen.clone()), false);
    let exit = kvitto_cli::run(&cli, &mut output).await;
    Ok((exit, seen.text()))
}

/// What the user's environment names (`KVITTO_NODE`, ...) is for the user's own ledger, not for this one.
fn without_environment(command: Command) -> Command {
    command.mut_args(|argument| argument.env(None::<&str>)).mut_subcommands(without_environment)
}

/// As a shell wants it.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,#".contains(c);
    let is_plain = !word.is_empty() && word.chars().all(plain);
    if is_plain { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_needs_it() {
        for (word, expected) in [
            ("--node", "--node"),
            ("a b", "'a b'"),
            ("Högskolan", "'Högskolan'"),
            ("it's", r"'it'\''s'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(word), expected);
        }
    }

    #[test]
    fn no_option_is_taken_from_the_environment() {
        fn reads_environment(command: &Command) -> bool {
            command.get_arguments().any(|argument| argument.get_env().is_some())
                || command.get_subcommands().any(reads_environment)
        }
        assert!(reads_environment(&Cli::command()));
        assert!(!reads_environment(&without_environment(Cli::command())));
    }
}
