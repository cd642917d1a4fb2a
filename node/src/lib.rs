//! kvitto-node
