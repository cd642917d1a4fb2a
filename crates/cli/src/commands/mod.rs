//! The commands, one module each: options, what is done, and the report.

pub mod bundle;
pub mod digest;
pub mod key;
pub mod trust;
pub mod verify;
