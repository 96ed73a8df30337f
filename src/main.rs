//! The `clientele` program.
fn main() {}
