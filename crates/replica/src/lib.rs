//! kvitto-replica
