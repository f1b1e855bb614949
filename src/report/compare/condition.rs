//! `worst_class_ap drop > 0.02`, `latency_p99_ms rise >= 10%`, `rpc < 0.6`.

use std::fmt;
use std::str::FromStr;

use super::{Change, Metric};

/// When a comparison fails.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Condition {
    metric: Metric,
    of: Of,
    operator: Operator,
    number: f64,
    /// Relative to the first study.
    percent: bool,
}

/// What is compared with the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    /// First study minus second.
    Drop,
    /// Second study minus first.
    Rise,
    /// The second study's value.
    Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Less,
    AtMost,
    More,
    AtLeast,
}

/// What a condition says of a change.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It is not met, all is well.
    Holds,
    /// It is met; the amount that was compared, in the unit of the condition.
    Fails(f64),
    /// A value is missing, so nobody can say; to be taken as a failure.
    Unknown(&'static str),
}

/// What is wrong with the text of a condition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConditionError {
    /// There is no such metric.
    #[error("'{found}' is no metric{}; metrics are {}", suggest(*.nearest), metrics())]
    Metric {
        /// What stood there.
        found: String,
        /// What may have been meant.
        nearest: Option<&'static str>,
    },
    /// It is not of either form.
    #[error(
        "expected {expected}, found {found}; a condition is METRIC drop|rise >|>= NUMBER[%], or METRIC <|<=|>|>= NUMBER, \
         with a metric of {}",
        metrics()
    )]
    Form {
        /// What should stand there.
        expected: &'static str,
        /// What stands there.
        found: String,
    },
}

fn suggest(nearest: Option<&'static str>) -> String {
    nearest.map_or_else(String::new, |name| format!(", did you mean '{name}'"))
}

fn metrics() -> String {
    Metric::ALL.iter().map(|metric| metric.name()).collect::<Vec<_>>().join(", ")
}

impl Condition {
    /// What it is about.
    #[must_use]
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// Whether `change`, which is one of [`Condition::metric`], meets it.
    #[must_use]
    pub fn judge(&self, change: &Change) -> Outcome {
        let Some(b) = change.b else { return Outcome::Unknown("B has no value") };
        let amount = match self.of {
            Of::Value => b,
            Of::Drop | Of::Rise => {
                let Some(a) = change.a else { return Outcome::Unknown("A has no value") };
                let difference = if self.of == Of::Drop { a - b } else { b - a };
                match (self.percent, difference.abs() > 0.0) {
                    (true, true) if a.abs() <= 0.0 => {
                        return Outcome::Unknown("A is 0, a change from it has no percentage");
                    }
                    (true, true) => 100.0 * difference / a.abs(),
                    _ => difference,
                }
            }
        };
        // 0.40 − 0.38 is a little more than 0.02 in binary, which nobody means.
        let slack = 1e-9 * self.number.abs().max(amount.abs());
        let met = match self.operator {
            Operator::More => amount > self.number + slack,
            Operator::AtLeast => amount >= self.number - slack,
            Operator::Less => amount < self.number - slack,
            Operator::AtMost => amount <= self.number + slack,
        };
        if met { Outcome::Fails(amount) } else { Outcome::Holds }
    }

    /// An amount in the unit of the condition.
    #[must_use]
    pub fn text(&self, amount: f64) -> String {
        if self.percent { format!("{amount:.2} %") } else { self.metric.text(amount) }
    }

    /// An amount as what it is: `a drop of 0.03`, or the value itself.
    #[must_use]
    pub fn phrase(&self, amount: f64) -> String {
        let text = self.text(amount);
        match self.of {
            Of::Drop => format!("a drop of {text}"),
            Of::Rise => format!("a rise of {text}"),
            Of::Value => format!("the value is {text}"),
        }
    }

    /// The number that must not be passed.
    #[must_use]
    pub fn limit(&self) -> f64 {
        self.number
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = match self.of {
            Of::Drop => " drop",
            Of::Rise => " rise",
            Of::Value => "",
        };
        let operator = match self.operator {
            Operator::Less => "<",
            Operator::AtMost => "<=",
            Operator::More => ">",
            Operator::AtLeast => ">=",
        };
        let percent = if self.percent { "%" } else { "" };
        write!(f, "{}{of} {operator} {}{percent}", self.metric, self.number)
    }
}

impl FromStr for Condition {
    type Err = ConditionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = |expected, found: &str| {
            let found = if found.is_empty() { "the end".to_owned() } else { format!("'{found}'") };
            ConditionError::Form { expected, found }
        };
        let (word, rest) = word(text);
        if word.is_empty() {
            return Err(form("a metric", rest));
        }
        let metric: Metric = word.parse()?;
        let (of, rest) = match self::word(rest) {
            ("drop", rest) => (Of::Drop, rest),
            ("rise", rest) => (Of::Rise, rest),
            ("", rest) => (Of::Value, rest),
            (other, _) => return Err(form("'drop', 'rise' or a comparison", other)),
        };
        // The longer ones first.
        let operators = [
            ("<=", Operator::AtMost),
            (">=", Operator::AtLeast),
            ("<", Operator::Less),
            (">", Operator::More),
        ];
        let found =
            operators.into_iter().find_map(|(sign, operator)| Some((operator, rest.strip_prefix(sign)?)));
        let (operator, number) = match (found, of) {
            (Some(found), Of::Value) | (Some(found @ (Operator::More | Operator::AtLeast, _)), _) => found,
            (_, Of::Value) => return Err(form("'<', '<=', '>' or '>='", rest)),
            _ => return Err(form("'>' or '>=' after drop or rise", rest)),
        };
        let number = number.trim();
        let (digits, percent) =
            number.strip_suffix('%').map_or((number, false), |digits| (digits.trim_end(), true));
        if percent && of == Of::Value {
            return Err(form("a number without %, in the metric's own unit", number));
        }
        match digits.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(Self { metric, of, operator, number: value, percent }),
            _ => Err(form("a number", number)),
        }
    }
}

/// The word at the beginning, and what comes after it.
fn word(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text
        .find(|letter: char| letter.is_whitespace() || matches!(letter, '<' | '>' | '='))
        .unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    (word, rest.trim_start())
}
