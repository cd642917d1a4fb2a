//! Everything that crosses crates. `README.md` beside this crate's manifest says what each suite proves and how to repeat a seed.
