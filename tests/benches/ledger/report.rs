//! What is printed: floors of the machine, and one line per figure with its target and whether it is reached.

use std::fmt;

use anyhow::{Context, Result};
use serde_json::Value;

/// A measured number.
pub(crate) struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
}

impl Figure {
    pub(crate) fn new(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { name: name.into(), value, unit }
    }
}

/// What a figure should be.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    AtLeast(f64),
    AtMost(f64),
}

impl Target {
    fn is_reached(self, value: f64) -> bool {
        match self {
            Self::AtLeast(bound) => value >= bound,
            Self::AtMost(bound) => value <= bound,
        }
    }
}

/// Figures, with targets where there are any.
#[derive(Default)]
pub(crate) struct Table(Vec<(Figure, Option<Target>)>);

impl Table {
    /// A figure that has a target.
    pub(crate) fn add(&mut self, figure: Figure, target: Target) {
        self.0.push((figure, Some(target)));
    }

    /// A figure without one.
    pub(crate) fn note(&mut self, figure: Figure) {
        self.0.push((figure, None));
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<58} {:>14}  {:>18}  reached", "figure", "measured", "target")?;
        for (Figure { name, value, unit }, target) in &self.0 {
            let with_unit = |number: f64| format!("{} {unit}", grouped(number)).replace(" /s", "/s");
            write!(f, "{name:<58} {:>14}", with_unit(*value).trim_end())?;
            let (sign, bound) = match target {
                None => {
                    writeln!(f)?;
                    continue;
                }
                Some(Target::AtLeast(bound)) => (">=", bound),
                Some(Target::AtMost(bound)) => ("<=", bound),
            };
            let reached = if target.is_some_and(|target| target.is_reached(*value)) { "yes" } else { "no" };
            writeln!(f, "  {:>18}  {reached}", format!("{sign} {}", with_unit(*bound)))?;
        }
        Ok(())
    }
}

/// What the machine can do at all, as `kvitto load` measured it in the run that it was measured for.
pub(crate) struct Floors {
    cores: f64,
    members: f64,
    verifications_per_s: f64,
    leaf_hashes_per_s: f64,
    fdatasync_ms: f64,
    verification_floor_per_s: f64,
}

impl Floors {
    /// Reads them from the report of `kvitto load`.
    pub(crate) fn read(report: &Value) -> Result<Self> {
        let number = |value: &Value| value.as_f64().context("the report holds the floors");
        let floors = &report["floors"];
        Ok(Self {
            cores: number(&report["cores"])?,
            members: number(&report["members"])?,
            verifications_per_s: number(&floors["verifications_per_s"])?,
            leaf_hashes_per_s: number(&floors["leaf_hashes_per_s"])?,
            fdatasync_ms: number(&floors["fdatasync_ms"])?,
            verification_floor_per_s: number(&report["verification_floor_per_s"])?,
        })
    }
}

impl fmt::Display for Floors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} cores, {} members in this process, on loopback", self.cores, self.members)?;
        writeln!(f, "floors of this machine, measured in the same run, one core each:")?;
        writeln!(f, "  Ed25519 verify_strict  {}/s", grouped(self.verifications_per_s))?;
        writeln!(f, "  SHA-256 leaf           {}/s", grouped(self.leaf_hashes_per_s))?;
        writeln!(f, "  fdatasync of 4 KiB     {} ms", grouped(self.fdatasync_ms))?;
        writeln!(
            f,
            "  verification floor     {} statements/s (cores x verifications / members)\n",
            grouped(self.verification_floor_per_s)
        )
    }
}

/// Three digits that count, thousands set apart.
pub(crate) fn grouped(number: f64) -> String {
    if number < 100.0 {
        let text = if number < 1.0 { format!("{number:.3}") } else { format!("{number:.1}") };
        return text.strip_suffix(".0").map_or(text.clone(), str::to_owned);
    }
    let digits = format!("{number:.0}");
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
