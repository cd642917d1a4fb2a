//! kvitto-proto
