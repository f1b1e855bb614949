//! Attributes of convolutions and poolings: how a window walks over an image.

use roadproof::compress::graph::proto::NodeProto;

use crate::engine::OpError;

/// How a kernel walks over an image; sides are height and width.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Window {
    /// `kernel_shape`, where the node tells it.
    pub(super) kernel: Option<[usize; 2]>,
    pub(super) strides: [usize; 2],
    pub(super) dilations: [usize; 2],
    pub(super) padding: Padding,
    pub(super) groups: usize,
}

/// Zeros around the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Padding {
    /// Before and behind each side.
    Explicit { before: [usize; 2], after: [usize; 2] },
    /// As many as give ⌈side / stride⌉ positions; an odd one goes behind (`upper`) or before.
    Same { upper: bool },
}

impl Window {
    /// From a node's attributes.
    ///
    /// # Errors
    /// They are not those of two sides, or make no sense.
    pub(super) fn read(node: &NodeProto) -> Result<Self, String> {
        let strides = pair(node, "strides")?.unwrap_or([1, 1]);
        let dilations = pair(node, "dilations")?.unwrap_or([1, 1]);
        let kernel = pair(node, "kernel_shape")?;
        for (name, sides) in
            [("strides", strides), ("dilations", dilations), ("kernel_shape", kernel.unwrap_or([1, 1]))]
        {
            if sides.contains(&0) {
                return Err(format!("expected {name} of 1 or more, found {sides:?}"));
            }
        }
        let groups = integers(node, "group")?.map_or(1, |groups| groups.first().copied().unwrap_or(0));
        if groups == 0 {
            return Err("expected a group of 1 or more, found 0".to_owned());
        }
        let explicit = match integers(node, "pads")?.as_deref() {
            None => Padding::Explicit { before: [0, 0], after: [0, 0] },
            Some(&[top, left, bottom, right]) => {
                Padding::Explicit { before: [top, left], after: [bottom, right] }
            }
            Some(pads) => return Err(format!("expected pads of 2 sides, found {pads:?}")),
        };
        let auto_pad = node.attribute("auto_pad").map_or(&b"NOTSET"[..], |attribute| attribute.s());
        let padding = match auto_pad {
            b"NOTSET" | b"" => explicit,
            b"VALID" => Padding::Explicit { before: [0, 0], after: [0, 0] },
            b"SAME_UPPER" => Padding::Same { upper: true },
            b"SAME_LOWER" => Padding::Same { upper: false },
            other => {
                let found = String::from_utf8_lossy(other);
                return Err(format!(
                    "expected an auto_pad of NOTSET, VALID, SAME_UPPER or SAME_LOWER, found {found}"
                ));
            }
        };
        Ok(Self { kernel, strides, dilations, padding, groups })
    }

    /// Elements that the kernel spans along a side.
    pub(super) fn span(&self, side: usize, kernel: [usize; 2]) -> usize {
        (kernel[side] - 1) * self.dilations[side] + 1
    }

    /// Zeros before and behind an image of `length` along a side.
    pub(super) fn border(&self, side: usize, kernel: [usize; 2], length: usize) -> [usize; 2] {
        match self.padding {
            Padding::Explicit { before, after } => [before[side], after[side]],
            Padding::Same { upper } => {
                let stride = self.strides[side];
                let reach = length.div_ceil(stride).saturating_sub(1) * stride + self.span(side, kernel);
                let padding = reach.saturating_sub(length);
                let before = if upper { padding / 2 } else { padding.div_ceil(2) };
                [before, padding - before]
            }
        }
    }

    /// Elements of an image of `length` and its border behind the first window, on which further ones can begin.
    ///
    /// # Errors
    /// There is no room for the first.
    pub(super) fn free(&self, side: usize, kernel: [usize; 2], length: usize) -> Result<usize, OpError> {
        let span = self.span(side, kernel);
        let padded = length + self.border(side, kernel, length).iter().sum::<usize>();
        padded.checked_sub(span).ok_or_else(|| {
            OpError::new(format!("expected a side of at least {span} with its border, found {padded}"))
        })
    }

    /// Checks the weights' sides against `kernel_shape`; returns them.
    ///
    /// # Errors
    /// They differ, or one is 0.
    pub(super) fn kernel(&self, height: usize, width: usize) -> Result<[usize; 2], OpError> {
        let found = [height, width];
        if found.contains(&0) || self.kernel.is_some_and(|kernel| kernel != found) {
            let expected = self.kernel.map_or_else(|| "1 or more".to_owned(), |kernel| format!("{kernel:?}"));
            return Err(OpError::new(format!(
                "expected weights of kernel sides {expected}, found {found:?}"
            )));
        }
        Ok(found)
    }
}

/// An attribute of two numbers, one for each side of an image.
///
/// # Errors
/// It has another number of them, as in one or three dimensions, or a negative one.
pub(super) fn pair(node: &NodeProto, name: &str) -> Result<Option<[usize; 2]>, String> {
    let Some(values) = integers(node, name)? else { return Ok(None) };
    match values.as_slice() {
        [height, width] => Ok(Some([*height, *width])),
        _ => Err(format!("expected {name} of 2 sides, found {values:?}")),
    }
}

fn integers(node: &NodeProto, name: &str) -> Result<Option<Vec<usize>>, String> {
    let Some(attribute) = node.attribute(name) else { return Ok(None) };
    let values = if attribute.ints.is_empty() { attribute.i.as_slice() } else { &attribute.ints };
    let numbers: Result<Vec<usize>, _> = values.iter().map(|value| usize::try_from(*value)).collect();
    numbers.map(Some).map_err(|_| format!("expected {name} of 0 or more, found {values:?}"))
}
