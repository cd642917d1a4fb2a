//! Replicas in memory, from one seed: what members promise each other, under crashes, a bad network, wrong clocks and liars.
//!
//! A failure names its seed; `Cluster::new` with that seed repeats it. The promises themselves are asserted by the cluster's
//! `Witness`, at every step of every test: agreement, no member says two things at one point or cosigns two roots, RULES 3.2, and
//! what is final is durable at a quorum and stays.

mod clocks;
mod crashes;
mod decides;
mod hostile;
mod liars;
mod starts;
mod sync;
