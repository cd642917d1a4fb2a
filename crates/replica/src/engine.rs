//! The BFT engine: Malachite's core behind a host of its effects.

pub(crate) mod context;
