//! kvitto-cli
