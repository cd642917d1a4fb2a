//! kvitto-storage
