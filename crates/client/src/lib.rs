//! kvitto-client
