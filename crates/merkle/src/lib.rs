//! kvitto-merkle
