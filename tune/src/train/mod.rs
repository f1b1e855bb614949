//! Training: a run is a file of options, a folder, and as many steps as it takes.

mod average;
mod balance;
pub mod checkpoint;
mod crew;
mod error;
mod events;
pub mod journal;
mod masks;
mod muon;
mod optimiser;
mod options;
mod output;
mod pairing;
mod parent;
pub mod report;
mod schedule;
mod stage;
mod trainer;
mod validate;

pub use average::Average;
pub use error::TrainError;
pub use events::{Event, Outcome};
pub use masks::Masks;
pub use optimiser::{Optimiser, OptimiserOptions, Rule, clip};
pub use options::{FORMAT, Keep, RunOptions, TrainingOptions, ValidationOptions};
pub use parent::{Parent, ParentModel, ParentSpec};
pub use schedule::{Decline, Schedule};
pub use trainer::Trainer;
pub use validate::{Figures, Validator};
