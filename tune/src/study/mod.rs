//! A factorial experiment: compressions × arms × seeds, each trained and measured, and what that says about four published
//! claims on compression and robustness (Cygert & Czyżewski, IJCNN 2021, arXiv 2102.05509).

pub mod analysis;
mod arm;
mod error;
mod evaluator;
mod factorial;
mod measured;
mod options;
mod output;
mod plan;
mod results;
mod student;
mod wiring;

pub use arm::{Arm, ArmTables};
pub use error::StudyError;
pub use evaluator::Evaluator;
pub use factorial::{CellResult, Event, Executor, Factorial, Job, Tuned};
pub use measured::{ClassMeasured, ConditionMeasured, Measured, Resampled};
pub use options::{
    CalibrationOptions, Compression, EvaluationOptions, FORMAT, Method, StudyFile, StudyOptions,
};
pub use output::{page, text, write};
pub use plan::{Cell, cells};
pub use results::{ParentRow, RESULTS_FORMAT, StudyResults};
pub use student::Compressor;
pub use wiring::{Progress, Workshop};
