//! What operators read of their nodes, and of what they are given.

use crate::engine::{Call, Context, Inputs, OpError};
use crate::tensor::{IntTensor, Tensor, ValueRef};

impl Context<'_> {
    /// An integer attribute.
    #[must_use]
    pub fn int(&self, name: &str, default: i64) -> i64 {
        self.node.attribute(name).map_or(default, |attribute| attribute.i.unwrap_or(default))
    }

    /// An attribute that is a number.
    #[must_use]
    pub fn float(&self, name: &str, default: f32) -> f32 {
        self.node.attribute(name).map_or(default, |attribute| attribute.f.unwrap_or(default))
    }

    /// An attribute that is a list of integers; `None` where it is left out.
    #[must_use]
    pub fn ints(&self, name: &str) -> Option<&[i64]> {
        self.node.attribute(name).map(|attribute| attribute.ints.as_slice())
    }

    /// An attribute that is a text.
    #[must_use]
    pub fn text<'b>(&'b self, name: &str, default: &'b str) -> &'b str {
        let text = self.node.attribute(name).and_then(|attribute| attribute.s.as_deref());
        text.map_or(default, |text| std::str::from_utf8(text).unwrap_or(default))
    }

    /// Whether anything is connected to the input at `place`.
    #[must_use]
    pub fn is_connected(&self, place: usize) -> bool {
        self.node.input.get(place).is_some_and(|name| !name.is_empty())
    }

    /// Refuses a node that puts out more than its first `count` outputs.
    pub(super) fn at_most_outputs(&self, count: usize) -> Result<(), String> {
        match self.node.output.iter().skip(count).find(|name| !name.is_empty()) {
            Some(name) => Err(format!("expected at most {count} outputs, found \"{name}\" besides")),
            None => Ok(()),
        }
    }
}

/// The input at `place`, of any type.
pub(super) fn any_at<'a>(inputs: &Inputs<'a>, place: usize) -> Result<ValueRef<'a>, OpError> {
    let input = inputs.get(place).copied().flatten();
    input.ok_or_else(|| OpError::new(format!("expected an input {place}, found none")))
}

/// The input at `place`, numbers.
pub(super) fn f32_at<'a>(inputs: &Inputs<'a>, place: usize) -> Result<&'a Tensor, OpError> {
    let numbers = any_at(inputs, place)?.as_f32();
    numbers.ok_or_else(|| OpError::new(format!("expected float32 as input {place}, found integers")))
}

/// The input at `place`, integers.
pub(super) fn i64_at<'a>(inputs: &Inputs<'a>, place: usize) -> Result<&'a IntTensor, OpError> {
    let integers = any_at(inputs, place)?.as_i64();
    integers.ok_or_else(|| OpError::new(format!("expected integers as input {place}, found float32")))
}

/// The integers of an optional input; `None` where it is left out.
pub(super) fn optional_i64<'a>(inputs: &Inputs<'a>, place: usize) -> Result<Option<&'a [i64]>, OpError> {
    match inputs.get(place).copied().flatten() {
        None => Ok(None),
        Some(_) => Ok(Some(&i64_at(inputs, place)?.data)),
    }
}

/// The axis that a number means: negative ones count from behind.
pub(super) fn axis(axis: i64, rank: usize) -> Result<usize, OpError> {
    let counted = if axis < 0 { axis + rank as i64 } else { axis };
    usize::try_from(counted)
        .ok()
        .filter(|axis| *axis < rank)
        .ok_or_else(|| OpError::new(format!("expected an axis of {rank}, found axis {axis}")))
}

/// Which axes are meant, by axis.
pub(super) fn axes(numbers: &[i64], rank: usize) -> Result<Vec<bool>, OpError> {
    let mut meant = vec![false; rank];
    for number in numbers {
        meant[axis(*number, rank)?] = true;
    }
    Ok(meant)
}

/// The gradient by the first output; `None` where the loss does not depend on it.
pub(super) fn gradient<'a>(call: &Call<'a>) -> Option<&'a Tensor> {
    call.gradients.first().copied().flatten()
}

/// Elements before an axis, along it, and behind it.
pub(super) fn around(dims: &[usize], axis: usize) -> (usize, usize, usize) {
    (dims[..axis].iter().product(), dims[axis], dims[axis + 1..].iter().product())
}

/// A side or a count from a model's integer.
pub(super) fn size(value: i64, what: &str) -> Result<usize, OpError> {
    usize::try_from(value).map_err(|_| OpError::new(format!("expected {what} of at least 0, found {value}")))
}
