//! kvitto-verifier
