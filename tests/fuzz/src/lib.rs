//! What the fuzz targets do with their bytes. The tests of the workspace take the same module in, and feed it the corpus on stable.

pub mod targets;
