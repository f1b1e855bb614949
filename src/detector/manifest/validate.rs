//! The rules a manifest's values obey beyond their types.

use std::collections::HashSet;

use super::{DecoderKind, DecoderSpec, InputSpec, MANIFEST_FORMAT, ModelManifest, Resize, ThresholdSpec};
use crate::detector::error::ManifestIssue;

/// Sides of the largest input; the tensor of such an input has 768 MiB.
const MAX_SIDE_PX: u32 = 8192;
/// Candidates are sorted and compared pairwise, so there is a limit to the limit.
const MAX_CANDIDATES: usize = 30_000;
/// Strides beyond this are typing mistakes.
const MAX_STRIDE_PX: u32 = 1024;

/// A bad value and its key.
pub(super) struct Issue {
    pub(super) key: String,
    pub(super) message: String,
}

impl Issue {
    pub(super) fn without_place(self) -> ManifestIssue {
        ManifestIssue { line: None, column: None, key: self.key, message: self.message }
    }
}

/// Everything that is wrong with the values.
pub(super) fn issues(manifest: &ModelManifest) -> Vec<Issue> {
    let mut issues = Issues(Vec::new());
    issues.check(manifest.format == MANIFEST_FORMAT, "format", || {
        format!("expected {MANIFEST_FORMAT}, found {}", manifest.format)
    });
    issues.check(!manifest.name.trim().is_empty(), "name", || {
        "expected a name, found an empty string".to_owned()
    });
    issues.check(!manifest.file.as_os_str().is_empty(), "file", || {
        "expected the ONNX file's path, found an empty string".to_owned()
    });
    if let Some(hash) = &manifest.sha256 {
        issues.check(hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit()), "sha256", || {
            format!("expected 64 hexadecimal digits, found `{hash}`")
        });
    }
    input(&manifest.input, &mut issues);
    decoder(&manifest.decoder, &manifest.input, &mut issues);
    thresholds(&manifest.thresholds, &mut issues);
    classes(manifest, &mut issues);
    issues.0
}

struct Issues(Vec<Issue>);

impl Issues {
    fn check(&mut self, good: bool, key: &str, message: impl FnOnce() -> String) {
        if !good {
            self.0.push(Issue { key: key.to_owned(), message: message() });
        }
    }
}

fn input(input: &InputSpec, issues: &mut Issues) {
    for (key, side) in [("input.width", input.width), ("input.height", input.height)] {
        issues.check((1..=MAX_SIDE_PX).contains(&side), key, || {
            format!("expected 1 to {MAX_SIDE_PX} pixels, found {side}")
        });
    }
    for (index, mean) in input.mean.iter().enumerate() {
        issues.check(mean.is_finite(), &format!("input.mean[{index}]"), || {
            format!("expected a finite number, found {mean}")
        });
    }
    for (index, std) in input.std.iter().enumerate() {
        issues.check(std.is_finite() && *std > 1e-6, &format!("input.std[{index}]"), || {
            format!("expected a finite number above 0 (pixels are divided by it), found {std}")
        });
    }
    issues.check(input.resize != Resize::Stretch || input.pad_value == 0, "input.pad_value", || {
        "expected no padding with `resize = \"stretch\"`, which leaves nothing to pad".to_owned()
    });
}

fn decoder(decoder: &DecoderSpec, input: &InputSpec, issues: &mut Issues) {
    let kind = decoder.kind;
    if kind.has_strides() {
        issues.check(!decoder.strides.is_empty(), "decoder.strides", || {
            format!(
                "expected the strides of the levels, e.g. [8, 16, 32], found none; `{}` needs them",
                kind.name()
            )
        });
        for (index, &stride) in decoder.strides.iter().enumerate() {
            let fits = (1..=MAX_STRIDE_PX).contains(&stride);
            issues.check(fits, &format!("decoder.strides[{index}]"), || {
                format!("expected 1 to {MAX_STRIDE_PX} pixels, found {stride}")
            });
            let whole = kind != DecoderKind::Yolox
                || !fits
                || (input.width.is_multiple_of(stride) && input.height.is_multiple_of(stride));
            issues.check(whole, &format!("decoder.strides[{index}]"), || {
                format!(
                    "expected a divisor of the input's {}x{} pixels, found {stride}",
                    input.width, input.height
                )
            });
        }
        issues.check(
            decoder.strides.iter().collect::<HashSet<_>>().len() == decoder.strides.len(),
            "decoder.strides",
            || format!("expected every stride once, found {:?}", decoder.strides),
        );
    } else {
        issues.check(decoder.strides.is_empty(), "decoder.strides", || not_for(kind, "no strides"));
    }
    issues.check(decoder.activation.is_none() || kind != DecoderKind::EndToEnd, "decoder.activation", || {
        not_for(kind, "no activation: the graph has done everything")
    });
    if let Some(offset) = decoder.cell_offset {
        issues.check(kind == DecoderKind::Nanodet, "decoder.cell_offset", || not_for(kind, "no cell offset"));
        issues.check((0.0..=1.0).contains(&offset), "decoder.cell_offset", || {
            format!("expected 0 to 1, in cells, found {offset}")
        });
    }
    issues.check(
        decoder.multi_label.is_none() || kind != DecoderKind::EndToEnd,
        "decoder.multi_label",
        || not_for(kind, "no such choice: the graph has made it"),
    );
    issues.check((1..=MAX_CANDIDATES).contains(&decoder.max_candidates), "decoder.max_candidates", || {
        format!("expected 1 to {MAX_CANDIDATES}, found {}", decoder.max_candidates)
    });
    outputs(decoder, issues);
}

fn outputs(decoder: &DecoderSpec, issues: &mut Issues) {
    let (kind, names) = (decoder.kind, &decoder.outputs);
    let pairs = matches!(kind, DecoderKind::Nanodet | DecoderKind::Rtdetr);
    issues.check(pairs || (names.scores.is_empty() && names.boxes.is_empty()), "decoder.outputs", || {
        not_for(kind, "one output, named by `predictions`")
    });
    issues.check(names.scores.len() == names.boxes.len(), "decoder.outputs", || {
        format!(
            "expected as many `boxes` as `scores`, found {} and {}",
            names.boxes.len(),
            names.scores.len()
        )
    });
    issues.check(names.predictions.is_none() || names.scores.is_empty(), "decoder.outputs", || {
        "expected either `scores` and `boxes` or `predictions`, found both".to_owned()
    });
    issues.check(kind != DecoderKind::Rtdetr || names.scores.len() <= 1, "decoder.outputs", || {
        not_for(kind, "one output of scores and one of boxes")
    });
    let levels = decoder.strides.len();
    let fits = names.scores.is_empty() || names.scores.len() == levels || names.scores.len() == 1;
    issues.check(kind != DecoderKind::Nanodet || fits, "decoder.outputs", || {
        format!(
            "expected one output of scores per stride ({levels}) or one in all, found {}",
            names.scores.len()
        )
    });
    let all = names.scores.iter().chain(&names.boxes).chain(&names.predictions);
    let mut seen = HashSet::new();
    for name in all {
        issues.check(!name.is_empty() && seen.insert(name), "decoder.outputs", || {
            format!("expected names, each once, found `{name}`")
        });
    }
}

fn not_for(kind: DecoderKind, what: &str) -> String {
    format!("decoder `{}` has {what}", kind.name())
}

fn thresholds(thresholds: &ThresholdSpec, issues: &mut Issues) {
    let ThresholdSpec { score, nms_iou, max_detections, low_score } = *thresholds;
    issues.check(score > 0.0 && score <= 1.0, "thresholds.score", || {
        format!("expected a number above 0, at most 1, found {score}")
    });
    issues.check((0.0..=1.0).contains(&nms_iou), "thresholds.nms_iou", || {
        format!("expected a number from 0 to 1, found {nms_iou}")
    });
    issues.check(max_detections >= 1, "thresholds.max_detections", || {
        "expected at least 1, found 0".to_owned()
    });
    if let Some(low) = low_score {
        issues.check(low > 0.0 && low <= score, "thresholds.low_score", || {
            format!("expected a number above 0, at most `thresholds.score` ({score}), found {low}")
        });
    }
}

fn classes(manifest: &ModelManifest, issues: &mut Issues) {
    let classes = &manifest.classes;
    issues.check(classes.file.is_none() || classes.names.is_empty(), "classes.file", || {
        "expected either `names` or `file`, found both".to_owned()
    });
    issues.check(!classes.names.is_empty(), "classes", || {
        "expected the class names, in `names` or in `file`, found none".to_owned()
    });
    let mut seen = HashSet::new();
    for (index, name) in classes.names.iter().enumerate() {
        issues.check(!name.trim().is_empty(), &format!("classes.names[{index}]"), || {
            "expected a name, found an empty string".to_owned()
        });
        issues.check(seen.insert(name), &format!("classes.names[{index}]"), || {
            format!("expected every name once, found `{name}` again")
        });
    }
}
