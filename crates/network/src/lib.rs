//! kvitto-network
