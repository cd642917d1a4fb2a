//! Replicas in memory, from one seed: what members promise each other, under crashes, a bad network, wrong clocks and liars.
//!
//! A failure names its seed; [`Cluster::new`] with that seed repeats it.

mod decides;
mod support;
