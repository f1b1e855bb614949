//! The model's outputs, and finding the ones that a decoder reads.

use super::{DecodeContext, Part};
use crate::detector::DetectorError;

/// Name and shape of an output, as a trial run gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputInfo {
    /// The output's name.
    pub name: String,
    /// Its dimensions.
    pub shape: Vec<i64>,
    /// Whether its elements are 32-bit floats; the others cannot be read.
    pub is_f32: bool,
}

/// One output of one run. The data has as many elements as the shape says.
#[derive(Debug, Clone, Copy, Default)]
pub struct TensorView<'a> {
    /// Dimensions.
    pub shape: &'a [i64],
    /// Elements, the last dimension varying fastest.
    pub data: &'a [f32],
}

/// An output that does not look as it did.
pub(super) struct ShapeChanged {
    pub(super) expected: String,
    pub(super) found: String,
}

/// A two-dimensional output: a batch of one times `rows` times `columns`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Matrix {
    /// Index among the outputs.
    pub(super) output: usize,
    pub(super) rows: usize,
    pub(super) columns: usize,
}

impl Matrix {
    /// The columns from `first_column` on, of the rows from `first_row` on.
    pub(super) fn part(&self, first_row: usize, first_column: usize, columns: usize) -> Part {
        Part {
            output: self.output,
            start: first_row * self.columns + first_column,
            row_stride: self.columns,
            column_stride: 1,
            columns,
        }
    }

    /// This frame's elements, row by row.
    pub(super) fn of<'a>(&self, outputs: &[TensorView<'a>]) -> Result<&'a [f32], ShapeChanged> {
        let view = outputs.get(self.output).copied().unwrap_or_default();
        match dimensions(view.shape) {
            Some((rows, columns))
                if (rows, columns) == (self.rows, self.columns) && view.data.len() == rows * columns =>
            {
                Ok(view.data)
            }
            _ => Err(ShapeChanged {
                expected: format!(
                    "output {} of shape (1, {}, {}) as before",
                    self.output, self.rows, self.columns
                ),
                found: format!("shape {:?} with {} elements", view.shape, view.data.len()),
            }),
        }
    }
}

/// Rows and columns of a shape `(1, rows, columns)` or `(rows, columns)`.
pub(super) fn dimensions(shape: &[i64]) -> Option<(usize, usize)> {
    match shape {
        [1, rows, columns] | [rows, columns] => {
            Some((usize::try_from(*rows).ok()?, usize::try_from(*columns).ok()?))
        }
        _ => None,
    }
}

/// The outputs while a decoder is being bound.
pub(super) struct Outputs<'a> {
    pub(super) context: &'a DecodeContext<'a>,
    pub(super) list: &'a [OutputInfo],
}

impl Outputs<'_> {
    /// All outputs that are float matrices.
    pub(super) fn matrices(&self) -> impl Iterator<Item = Matrix> {
        self.list.iter().enumerate().filter(|(_, info)| info.is_f32).filter_map(|(output, info)| {
            dimensions(&info.shape).map(|(rows, columns)| Matrix { output, rows, columns })
        })
    }

    /// The float matrix of this name.
    pub(super) fn named(&self, name: &str) -> Result<Matrix, DetectorError> {
        let index = self.list.iter().position(|info| info.name == name);
        let matrix = index.and_then(|index| self.matrices().find(|matrix| matrix.output == index));
        matrix.ok_or_else(|| self.wrong(format!("a float32 output `{name}` of shape (1, rows, columns)")))
    }

    /// The one float matrix that `fits`, by the manifest's `predictions` or, without that, by its shape.
    pub(super) fn predictions(
        &self,
        expected: &str,
        fits: impl Fn(&Matrix) -> bool,
    ) -> Result<Matrix, DetectorError> {
        if let Some(name) = &self.context.spec.outputs.predictions {
            let matrix = self.named(name)?;
            return if fits(&matrix) {
                Ok(matrix)
            } else {
                Err(self.wrong(format!("`{name}` as {expected}")))
            };
        }
        let mut fitting = self.matrices().filter(|matrix| fits(matrix));
        match (fitting.next(), fitting.next()) {
            (Some(only), None) => Ok(only),
            (Some(_), Some(_)) => Err(self.wrong(format!(
                "one output of {expected}; several fit, so name the right one in `decoder.outputs`"
            ))),
            (None, _) => Err(self.wrong(expected.to_owned())),
        }
    }

    /// Checks that every class of every one of `rows` boxes can be numbered.
    pub(super) fn check_indices(&self, rows: usize) -> Result<(), DetectorError> {
        match u32::try_from(rows.saturating_mul(self.context.class_count)) {
            Ok(_) => Ok(()),
            Err(_) => Err(self.wrong(format!("at most {} boxes times classes", u32::MAX))),
        }
    }

    /// The error for outputs that do not fit.
    pub(super) fn wrong(&self, expected: String) -> DetectorError {
        DetectorError::Outputs {
            path: self.context.path.to_owned(),
            decoder: self.context.spec.kind.name(),
            expected,
            found: self.describe(),
        }
    }

    /// The error for an output that tells another number of classes than the manifest.
    pub(super) fn wrong_class_count(&self, matrix: &Matrix, found: usize) -> DetectorError {
        let info = self.list.get(matrix.output);
        DetectorError::ClassCount {
            path: self.context.path.to_owned(),
            decoder: self.context.spec.kind.name(),
            expected: self.context.class_count,
            found,
            output: info.map(|info| info.name.clone()).unwrap_or_default(),
            shape: info.map(|info| shape_text(&info.shape)).unwrap_or_default(),
        }
    }

    fn describe(&self) -> String {
        let describe = |info: &OutputInfo| {
            let kind = if info.is_f32 { "" } else { " (not float32)" };
            format!("`{}` {}{kind}", info.name, shape_text(&info.shape))
        };
        match self.list {
            [] => "no outputs".to_owned(),
            list => list.iter().map(describe).collect::<Vec<_>>().join(", "),
        }
    }
}

/// A shape as `(1, 2, ?)`.
pub(crate) fn shape_text(shape: &[i64]) -> String {
    let dimension = |d: &i64| if *d < 0 { "?".to_owned() } else { d.to_string() };
    format!("({})", shape.iter().map(dimension).collect::<Vec<_>>().join(", "))
}
