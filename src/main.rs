//! The `cairnfs` program: parse, run, exit code.

fn main() {}
