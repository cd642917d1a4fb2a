//! The node: reads configuration and keys, opens the store, joins the parts, runs, stops.
//!
//! ```text
//!   args ──► init, genesis ──► files          run, localnet, demo, check, doctor, salvage
//!                                               │
//!              config, genesis_file, keys ──► node: store, network, API, and
//!                                             core: the one task that owns the replica
//! ```

pub mod admission;
pub mod args;
pub mod check_command;
pub mod cluster;
pub mod config;
pub mod core;
pub mod demo;
pub mod desk;
mod diagnosis;
pub mod doctor_command;
mod evidence;
mod file;
pub mod genesis_command;
pub mod genesis_file;
pub mod gossip;
pub mod init;
mod inspection;
mod interrupt;
pub mod keys;
pub mod localnet;
mod logging;
pub mod node;
pub mod peers;
pub mod report;
pub mod run_command;
pub mod salvage_command;
pub mod sandbox;
mod school;
mod shell;
mod signer;
pub mod standing;
mod timers;
