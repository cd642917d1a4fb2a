//! The commands, one module each: options, what is done, and the report.

pub mod bundle;
pub mod receipt;
pub mod status;
pub mod verify;

pub mod anchor;
pub mod change;
pub mod digest;
pub mod key;

pub mod accredit;
pub mod accreditation;
pub mod did;
pub mod onboard;

pub mod audit;
pub mod evidence;
pub mod load;
pub mod trust;
