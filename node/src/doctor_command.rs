//! `kvitto-node doctor`: says why nothing is being decided, and what to do; where the node does not run, what its files say.
//!
//! Exit codes: 0 everything is as it should be, 3 someone should look, 4 something does not work, 1 it cannot be told.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use kvitto_client::{Finding, Operator, Options, Severity};
use serde::Serialize;

use crate::config::Config;
use crate::inspection::inspect;
use crate::shell::say;

const WARNING: u8 = 3;
const FAILURE: u8 = 4;

#[derive(Serialize)]
struct Report<'a> {
    running: bool,
    findings: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Row<'a> {
    check: &'a str,
    severity: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<&'a str>,
}

/// Asks the running node, or looks at the files of a stopped one; changes nothing.
///
/// # Errors
/// When nothing can be printed, or an answer cannot be read.
pub async fn run(path: &Path, json: bool) -> Result<ExitCode> {
    let config = Config::read(path);
    let running = match &config {
        Ok(config) => ask(config).await?,
        Err(_) => None,
    };
    let is_running = running.is_some();
    let mut findings = running.unwrap_or_else(|| inspect(config));
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    print(&findings, is_running, json)?;
    Ok(match findings.first().map(|worst| worst.severity) {
        Some(Severity::Failure) => ExitCode::from(FAILURE),
        Some(Severity::Warning) => ExitCode::from(WARNING),
        Some(Severity::Ok) | None => ExitCode::SUCCESS,
    })
}

/// What the node says of itself; `None` where none answers.
async fn ask(config: &Config) -> Result<Option<Vec<Finding>>> {
    let endpoint = format!("http://{}", config.api.operator);
    let options = Options { retry_for: std::time::Duration::ZERO, ..Options::default() };
    let operator = Operator::connect(&endpoint, &options).context("the operator's address")?;
    match operator.diagnose().await {
        Ok(findings) => Ok(Some(findings)),
        Err(kvitto_client::ClientError::Unavailable(_)) => Ok(None),
        Err(error) => Err(error).context("the node's answer cannot be read"),
    }
}

fn print(findings: &[Finding], running: bool, json: bool) -> Result<()> {
    if json {
        let findings = findings.iter().map(|Finding { check, severity, message, remedy }| Row {
            check,
            severity: name(*severity),
            message,
            remedy: remedy.as_deref(),
        });
        let report = Report { running, findings: findings.collect() };
        return say(&serde_json::to_string_pretty(&report)?);
    }
    say(if running { "The node runs, and says:" } else { "No node answers; its files say:" })?;
    for Finding { check, severity, message, remedy } in findings {
        say(&format!("  {:8} {check}: {message}", name(*severity)))?;
        if let Some(remedy) = remedy {
            say(&format!("           what to do: {remedy}"))?;
        }
    }
    Ok(())
}

fn name(severity: Severity) -> &'static str {
    match severity {
        Severity::Ok => "ok",
        Severity::Warning => "warning",
        Severity::Failure => "failure",
    }
}
