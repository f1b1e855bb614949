use std::path::PathBuf;

/// Why rules cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RulesError {
    /// The file cannot be read.
    #[error("{path}: cannot be read: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is no rule file.
    #[error(
        "{path}: not a file of health rules: {problem}; config/health_rules.toml shows every key",
        path = path.display()
    )]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The file is of another format.
    #[error(
        "{path}: format {found} of the health rules, expected {expected}; config/health_rules.toml shows that one",
        path = path.display()
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// The format found.
        found: i64,
        /// The format that can be read.
        expected: u32,
    },
    /// A safety-critical class is none of the model's.
    #[error(
        "{path}: `safety_critical` names '{name}', which is none of the model's {classes} classes{}; name classes as the \
         model's manifest does",
        nearest.as_ref().map(|near| format!(" (did you mean '{near}'?)")).unwrap_or_default(),
        path = path.display()
    )]
    UnknownClass {
        /// The file.
        path: PathBuf,
        /// The name found.
        name: String,
        /// The class that was likely meant.
        nearest: Option<String>,
        /// Classes of the model.
        classes: usize,
    },
    /// A class is named twice.
    #[error("{path}: `safety_critical` names '{name}' twice; name it once", path = path.display())]
    TwiceNamed {
        /// The file.
        path: PathBuf,
        /// The name.
        name: String,
    },
}
