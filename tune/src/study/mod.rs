//! A factorial experiment: compressions × arms × seeds, each trained and measured, and what that says about four published
//! claims on compression and robustness (Cygert & Czyżewski, IJCNN 2021, arXiv 2102.05509).

pub mod analysis;
mod arm;
mod error;
mod factorial;
mod measured;
mod options;
mod plan;

pub use arm::{Arm, ArmTables};
pub use error::StudyError;
pub use factorial::{CellResult, Event, Executor, Factorial, Job, Tuned};
pub use measured::{ClassMeasured, ConditionMeasured, Measured, Resampled};
pub use options::{
    CalibrationOptions, Compression, EvaluationOptions, FORMAT, Half, Method, StudyFile, StudyOptions,
};
pub use plan::{Cell, cells};
