//! How accurate a detector is: class by class, corruption by corruption, the worst class first.

mod results;

pub use results::*;
