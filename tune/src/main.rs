//! `roadproof-tune`: wins back what compression lost.

fn main() {}
