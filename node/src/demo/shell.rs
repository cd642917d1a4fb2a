//! Runs the command line `kvitto` in this process, and shows what a person would type and see.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Result, ensure};
use clap::Parser;
use kvitto_cli::{Cli, Exit, Output};

/// See the module's head.
pub(super) struct Shell {
    trust: PathBuf,
}

impl Shell {
    /// Every command trusts this file.
    pub(super) fn new(trust: PathBuf) -> Self {
        Self { trust }
    }

    /// Tells something.
    pub(super) fn say(&mut self, words: &str) {
        println!("{words}");
    }

    /// Runs `kvitto` with these words and options, and checks how it ends.
    pub(super) async fn run(
        &mut self,
        options: &[(&str, String)],
        words: &[&str],
        expected: Exit,
    ) -> Result<()> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        self.run_words(options, &words, expected).await
    }

    /// As [`Shell::run`].
    pub(super) async fn run_words(
        &mut self,
        options: &[(&str, String)],
        words: &[String],
        expected: Exit,
    ) -> Result<()> {
        let mut line = vec!["kvitto".to_owned()];
        line.extend(words.iter().cloned());
        line.extend(["--trust".to_owned(), self.trust.display().to_string()]);
        for (option, value) in options {
            line.extend([(*option).to_owned(), value.clone()]);
        }
        println!("  $ {}", line.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "));
        let cli = Cli::try_parse_from(&line)?;
        let seen = Seen::default();
        let mut output = Output::new(false, Box::new(seen.clone()), Box::new(seen.clone()), false);
        let exit = kvitto_cli::run(&cli, &mut output).await;
        for shown in seen.text().lines() {
            println!("    {shown}");
        }
        ensure!(exit == expected, "the command ended with {} instead of {}", exit.name(), expected.name());
        Ok(())
    }
}

/// As a shell wants it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,#".contains(c);
    if word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

/// What a command has printed.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<u8>>>);

impl Seen {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

impl Write for Seen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_needs_it() {
        for (word, expected) in
            [("--node", "--node"), ("a b", "'a b'"), ("Högskolan", "'Högskolan'"), ("it's", r"'it'\''s'")]
        {
            assert_eq!(quoted(word), expected);
        }
    }
}
